package main

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	"fdrace/internal/engine"
)

// checkLog looks whether anybody will see what fdrace has to say: ssh sends its
// stderr to /dev/null where ControlPath and ControlPersist are set.
func (l *login) checkLog() []finding {
	c := l.config
	if c.unset("controlpath") || c.is("controlpersist", "no") {
		return nil
	}
	heard := l.options.Log != "" || os.Getenv("FDRACE_LOG") != "" || strings.Contains(l.command, "2>")
	for _, w := range l.words[:l.program] {
		heard = heard || strings.HasPrefix(w.text, "FDRACE_LOG=")
	}
	if heard {
		return []finding{{Check: "ControlPersist", Status: ok, Found: "hides what fdrace says, but it goes into a file as well"}}
	}
	at := l.words[l.program].end
	f := finding{Check: "ControlPersist", Status: warn, Found: "hides what fdrace says: a login that fails does not tell why"}
	return []finding{l.mend(f, l.command[:at]+" --log ~/.ssh/fdrace.log"+l.command[at:])}
}

// checkIPQoS is about Linux having no IPV6_TCLASS on MPTCP sockets: ssh says so
// at each login.
func (l *login) checkIPQoS(targets []engine.Target) []finding {
	onlyIPv4 := l.options.IPv4 || !slices.ContainsFunc(targets, func(t engine.Target) bool {
		a, err := netip.ParseAddr(t.Host)
		return err != nil || !a.Is4()
	})
	if onlyIPv4 || !l.options.MPTCP && !l.options.RequireMPTCP {
		return nil
	}
	if l.config.is("ipqos", "none none") {
		return []finding{{Check: "IPQoS", Status: ok, Found: "none"}}
	}
	return []finding{{
		Check: "IPQoS", Status: warn,
		Found:  "ssh sets it on the socket, which MPTCP over IPv6 cannot do: a line about IPV6_TCLASS at each login",
		Remedy: l.block("IPQoS none"), Where: inConfig,
	}}
}
