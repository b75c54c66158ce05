package resolve

import (
	"net"
	"net/netip"
	"testing"
)

// Networks are told apart by the interface and the gateway's MAC address, as far as it
// is known.
func TestNetwork(t *testing.T) {
	needNetwork(t)
	p := newPlace(t)
	local := netip.MustParseAddr("10.9.0.1")
	if err := p.ip("link add dummy7 type dummy", "address add 10.9.0.1/24 dev dummy7", "link set dummy7 up"); err != nil {
		t.Skip(err, ` (run "modprobe dummy")`)
	}
	for _, step := range []struct{ do, want string }{
		{"link set lo up", "dummy7/"},
		{"route add default via 10.9.0.2", "dummy7/"},
		{"neighbour add 10.9.0.3 lladdr 00:00:5e:00:53:03 dev dummy7", "dummy7/"},
		{"neighbour add 10.9.0.2 lladdr 00:00:5e:00:53:01 dev dummy7", "dummy7/00:00:5e:00:53:01"},
		{"neighbour replace 10.9.0.2 lladdr 00:00:5e:00:53:02 dev dummy7", "dummy7/00:00:5e:00:53:02"},
	} {
		if err := p.ip(step.do); err != nil {
			t.Fatal(err)
		}
		if err := p.do(func() error {
			i, err := net.InterfaceByName("dummy7")
			if err != nil {
				return err
			}
			for _, got := range []string{Network(local, 0), Network(netip.MustParseAddr("fe80::1"), i.Index)} {
				if got != step.want {
					t.Errorf("after %s: %q, want %q", step.do, got, step.want)
				}
			}
			if got := Network(netip.MustParseAddr("10.9.0.9"), 0); got != "" {
				t.Errorf("of an address that is nobody's: %q", got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
