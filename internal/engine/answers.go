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
func (r *race) answered(a answer) {
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
	if l.hasAddrs && len(a.replaces) > 0 && !l.started && len(l.queue[0])+len(l.queue[1]) == 0 {
		l.hasAddrs = false // as if there had been none
	}
	if a.kind == askAAAA && len(a.addrs) > 0 && !l.hasAddrs && l.pendingA && r.sys.Route(IPv4) {
		l.awaitingA = r.prefersIPv4(a.addrs)
	}
	r.enqueue(l, r.hostAddrs(l, a.addrs), a.kind == askLinks)
	if a.kind.isName() {
		r.sort(l)
	}
	r.expandSRV(l, a.services)
	if (a.socket != resolve.Socket{}) {
		r.addSocket(l, a.socket)
	}
	if a.err != nil && notFound(l.err) {
		l.err = a.err
	}
	r.reportLookupError(l)
}

// reportLookupError notes, once there is no question left, what l has not been told.
func (r *race) reportLookupError(l *lane) {
	if l.pendingLookups > 0 || l.err == nil {
		return
	}
	if !(l.hasAddrs && notFound(l.err)) {
		r.recordFailure(Failure{Candidate: Candidate{Target: l.target}, Err: l.err})
		r.askLater(l)
	}
	l.err = nil
}

// expandSRV makes l stand for services, which come in the order of RFC 2782:
// each has a lane inside l, one delay behind the one before. They take the place
// of those of an earlier answer that have not started.
func (r *race) expandSRV(l *lane, services []resolve.Service) {
	if len(services) == 0 {
		return
	}
	l.hasAddrs = true
	if l.srvLanes == nil {
		l.srvLanes = &tiers{gap: r.schedule.delay, next: r.sys.Now()}
	}
	dropped := l.srvLanes.drop()
	seen := map[Target]bool{}
	for _, tier := range l.srvLanes.lanes {
		seen[tier[0].target] = true
	}
	for _, s := range services {
		t := Target{s.Host, s.Port}
		if seen[t] {
			continue
		}
		seen[t] = true
		if i := slices.IndexFunc(dropped, func(in *lane) bool { return in.target == t }); i >= 0 {
			l.srvLanes.lanes = append(l.srvLanes.lanes, []*lane{dropped[i]})
			dropped = slices.Delete(dropped, i, i+1)
			continue
		}
		in := r.schedule.newLane(t)
		l.srvLanes.lanes = append(l.srvLanes.lanes, []*lane{in})
		if _, ok := t.literal(); !ok {
			// A name, whatever it looks like: services could lead to each other
			// for ever, and what is a MAC or a socket is not for DNS to say. It is
			// absolute (RFC 2782): the search list is not for it.
			r.askName(in, s.Host+".")
			continue
		}
		r.resolveTarget(in)
	}
	for _, in := range dropped {
		r.discard(in)
	}
}

// discard forgets l, which no longer has a place in the race, and its lookups.
func (r *race) discard(l *lane) {
	l.queue, l.group, l.err, l.pendingLookups = [2][]group{}, nil, nil, 0
	r.lookups.abandon(l.index)
}

// notFound reports whether err says no more than that there is no address.
func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}
