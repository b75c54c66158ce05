package engine

import (
	"net/netip"

	"fdrace/internal/resolve"
)

// resolveTarget queues the address of l's target, or starts the lookups for it.
func (r *race) resolveTarget(l *lane) {
	host := l.target.Host
	if l.command != nil {
		l.add(Addr{Command: l.command})
		return
	}
	if _, literal := l.target.literal(); l.proxy != nil && !literal {
		r.askName(l, host) // a proxy is never another kind of target
		return
	}
	if a, ok := l.target.literal(); ok {
		r.enqueue(l, r.hostAddrs(l, []netip.Addr{a}), false) // an SRV record may have any address
		return
	}
	if s, ok, _ := resolve.ParseSocket(host); ok {
		r.addSocket(l, s)
		return
	}
	if name, ok, _ := resolve.ParseMachine(host); ok {
		r.ask(l, askMachine, name)
		return
	}
	if _, ok, _ := resolve.ParseMAC(host); ok {
		l.noAttemptDelay = true
		r.ask(l, askMAC, host)
		return
	}
	if resolve.IsSRV(host) {
		r.ask(l, askSRV, host)
		return
	}
	r.askName(l, host)
}

// addSocket queues s, with l's port if it has none of its own.
func (r *race) addSocket(l *lane, s resolve.Socket) {
	if (s.Path == "" || s.Mux) && s.Port == 0 {
		s.Port = uint32(l.target.Port)
	}
	l.add(Addr{Socket: s})
}

// askName starts the lookups of the addresses of a name, of one lane.
func (r *race) askName(l *lane, host string) {
	for _, k := range []kind{askAAAA, askA} {
		if r.family == AnyFamily || r.family == k.family() {
			r.ask(l, k, host)
		}
	}
}

// ask starts a lookup for l.
func (r *race) ask(l *lane, k kind, host string) {
	q := question{l.index, k, host}
	if !r.lookups.ask(q) {
		return
	}
	if l.pendingLookups == 0 {
		l.lastAsked = r.sys.Now()
	}
	l.pendingLookups++
	if k == askAAAA {
		l.awaitingAAAA = true
	}
	l.pendingA = l.pendingA || k == askA
	r.report(Event{Kind: Resolve, Candidate: Candidate{Target: l.target}, Family: k.family()})
	r.lookups.start(q)
}
