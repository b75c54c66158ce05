package prestart

import "net/netip"

// Read is what the program makes of a command line before its runtime is up.
func Read(args []string) (addrs []netip.Addr, port uint16, mptcp, ok bool) {
	var l line
	if !l.read(args) {
		return nil, 0, false, false
	}
	for _, a := range l.addrs[:l.n] {
		addrs = append(addrs, a.netip())
	}
	return addrs, l.port, l.mptcp, true
}
