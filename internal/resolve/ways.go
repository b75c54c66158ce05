package resolve

import "net"

// MDNSDaemons returns who of this machine MDNS asks before it asks the links
// itself: "systemd-resolved" and "avahi", where they run. It asks them nothing.
func MDNSDaemons() (names []string) {
	for _, daemon := range [][2]string{{"systemd-resolved", resolvedSocket}, {"avahi", avahiSocket}} {
		if c, err := net.Dial("unix", daemon[1]); err == nil {
			c.Close()
			names = append(names, daemon[0])
		}
	}
	return names
}

// MDNSLinks returns the interfaces on which MDNS asks by a multicast of its own.
// It sends nothing.
func MDNSLinks() (names []string, err error) {
	all, err := links()
	for _, l := range all {
		mouths := openMouths(l)
		for _, m := range mouths {
			m.Close()
		}
		if len(mouths) > 0 {
			names = append(names, l.Name)
		}
	}
	return names, err
}
