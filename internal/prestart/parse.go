package prestart

import (
	"net/netip"

	"fdrace/internal/stub"
)

// Parse returns what the program makes of args before its runtime has started: the
// targets are names, and addresses in their usual notation. ok is false if args are
// left to the runtime. Tests compare it with the runtime's parser.
func Parse(args []string) (targets []string, port uint16, mptcp, ok bool) {
	var c commandLine
	if !c.parse(args) {
		return nil, 0, false, false
	}
	for _, t := range c.targets[:c.n] {
		if t.name != "" {
			targets = append(targets, t.name)
		} else {
			targets = append(targets, toNetip(&t.addr).String())
		}
	}
	return targets, c.port, c.mptcp, true
}

func toNetip(a *stub.Addr) netip.Addr {
	if a.Is4 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	return netip.AddrFrom16(a.IP)
}
