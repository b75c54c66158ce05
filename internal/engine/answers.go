package engine

import (
	"errors"
	"net"
	"slices"

	"fdrace/internal/resolve"
)

// What targets mean: the questions a race asks of the resolver, and what it
// makes of the answers.

// answered takes an answer: addresses join their lane at their place, and what
// has started stays. Only when no answer has given an address is it the name
// that has failed.
func (r *running) answered(a answer) {
	if !r.lookups.take(a) {
		return // too late, or abandoned
	}
	if a.kind == askNAT64 {
		r.answeredNAT64(a)
		return
	}
	l := r.schedule.lanes[a.lane]
	l.answered(a)
	if settled := a.kind.isName() && a.err == nil && len(a.addrs)+len(a.replaces) == 0; !settled {
		r.report(Event{Kind: Resolved, Candidate: Candidate{Target: l.target}, Family: a.kind.family(), Addrs: a.addrs, Replaces: len(a.replaces) > 0, Err: a.err})
	}
	l.remove(a.replaces)
	if l.answers && len(a.replaces) > 0 && !l.started && len(l.queue[0])+len(l.queue[1]) == 0 {
		l.answers = false // as if there had been none
	}
	if a.kind == askAAAA && len(a.addrs) > 0 && !l.answers && l.asked4 && r.sys.Route(IPv4) {
		l.waitsFor4 = r.prefersIPv4(a.addrs)
	}
	r.add(l, r.hostAddrs(l, a.addrs), a.kind == askLinks)
	if a.kind.isName() {
		r.sort(l)
	}
	r.standFor(l, a.services)
	if (a.socket != resolve.Socket{}) {
		r.addSocket(l, a.socket)
	}
	if a.err != nil && notFound(l.err) {
		l.err = a.err
	}
	r.settle(l)
}

// settle notes, once there is no question left, what l has not been told.
func (r *running) settle(l *lane) {
	if l.waits > 0 || l.err == nil {
		return
	}
	if !(l.answers && notFound(l.err)) {
		r.note(Failure{Candidate: Candidate{Target: l.target}, Err: l.err})
		r.askLater(l)
	}
	l.err = nil
}

// standFor makes l stand for services, which come in the order of RFC 2782:
// each has a lane inside l, one delay behind the one before. They take the place
// of those of an earlier answer that have not started.
func (r *running) standFor(l *lane, services []resolve.Service) {
	if len(services) == 0 {
		return
	}
	l.answers = true
	if l.inner == nil {
		l.inner = &order{gap: r.schedule.delay, next: r.sys.Now()}
	}
	dropped := l.inner.drop()
	seen := map[Target]bool{}
	for _, tier := range l.inner.tiers {
		seen[tier[0].target] = true
	}
	for _, s := range services {
		t := Target{s.Host, s.Port}
		if seen[t] {
			continue
		}
		seen[t] = true
		if i := slices.IndexFunc(dropped, func(in *lane) bool { return in.target == t }); i >= 0 {
			l.inner.tiers = append(l.inner.tiers, []*lane{dropped[i]})
			dropped = slices.Delete(dropped, i, i+1)
			continue
		}
		in := r.schedule.newLane(t)
		l.inner.tiers = append(l.inner.tiers, []*lane{in})
		if _, ok := t.literal(); !ok {
			// A name, whatever it looks like: services could lead to each other
			// for ever, and what is a MAC or a socket is not for DNS to say. It is
			// absolute (RFC 2782): the search list is not for it.
			r.askName(in, s.Host+".")
			continue
		}
		r.prepare(in)
	}
	for _, in := range dropped {
		r.discard(in)
	}
}

// discard forgets l, which no longer has a place in the race, and its lookups.
func (r *running) discard(l *lane) {
	l.queue, l.group, l.err, l.waits = [2][]group{}, nil, nil, 0
	r.lookups.abandon(l.index)
}

// notFound reports whether err says no more than that there is no address.
func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}
