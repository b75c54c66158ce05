//go:build unix

package doctor

import (
	"net/netip"
	"slices"

	"fdrace/internal/engine"
)

// checkIPQoS looks for a block that needs "IPQoS none": Linux has no IPV6_TCLASS for MPTCP
// sockets, and ssh prints an error about that at each login.
func (l *login) checkIPQoS(targets []engine.Target) []Finding {
	onlyIPv4 := l.options.IPv4 || !slices.ContainsFunc(targets, func(t engine.Target) bool {
		a, err := netip.ParseAddr(t.Host)
		return err != nil || !a.Is4()
	})
	if onlyIPv4 || !l.options.MPTCP && !l.options.RequireMPTCP {
		return nil
	}
	if l.config.is("ipqos", "none none") {
		return []Finding{{Check: "IPQoS", Status: OK, Found: "none"}}
	}
	return []Finding{{
		Check: "IPQoS", Status: Warn,
		Found:  "MPTCP over IPv6 does not support it: ssh prints a line about IPV6_TCLASS at each login",
		Remedy: l.hostBlock("IPQoS none"), Where: InConfig,
	}}
}
