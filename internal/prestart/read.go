package prestart

import (
	"net/netip"
	"time"

	"fdrace/internal/stub"
)

// A Conn is a connection that was begun before the runtime.
type Conn struct {
	Peer netip.AddrPort
	FD   int
	At   time.Duration // when, since the race began
}

// Read returns what the program makes of a command line before its runtime is up: the
// targets are names, and addresses in their usual notation.
func Read(args []string) (targets []string, port uint16, mptcp, ok bool) {
	var l line
	if !l.read(args) {
		return nil, 0, false, false
	}
	for _, t := range l.targets[:l.n] {
		if t.name != "" {
			targets = append(targets, t.name)
		} else {
			targets = append(targets, toNetip(&t.addr).String())
		}
	}
	return targets, l.port, l.mptcp, true
}

func toNetip(a *stub.Addr) netip.Addr {
	if a.Is4 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	return netip.AddrFrom16(a.IP)
}
