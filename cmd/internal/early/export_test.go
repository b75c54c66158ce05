package early

import "net/netip"

// Read is what the program makes of a command line before its runtime is up.
func Read(args []string) (addrs []netip.Addr, port uint16, mptcp, ok bool) {
	var l line
	if !l.read(args) {
		return nil, 0, false, false
	}
	for _, a := range l.addrs[:l.n] {
		addr := netip.AddrFrom16(a.bytes)
		if a.four {
			addr = netip.AddrFrom4([4]byte(a.bytes[:4]))
		}
		addrs = append(addrs, addr)
	}
	return addrs, l.port, l.mptcp, true
}
