package engine

import (
	"errors"
	"net"
	"slices"

	"fdrace/internal/resolve"
)

// answered handles an answer. Its addresses join the queue of their lane in order; attempts
// that have started go on. A lookup has failed only if no answer has an address.
func (r *race) answered(a answer) {
	if !r.lookups.take(a) {
		return // abandoned
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
		l.hasAddrs = false // the answer that was replaced does not count
	}
	if a.kind == askAAAA && len(a.addrs) > 0 && !l.hasAddrs && l.pendingA && r.sys.Route(IPv4) {
		l.awaitingA = r.prefersIPv4(a.addrs)
	}
	hosts := r.hostAddrs(l, a.addrs)
	l.rejected = l.rejected || len(hosts) < len(a.addrs)
	r.enqueue(l, hosts, a.kind == askLinks)
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

// reportLookupError reports l's lookup error once no lookup is pending.
func (r *race) reportLookupError(l *lane) {
	if l.pendingLookups > 0 || l.err == nil {
		return
	}
	none := notFound(l.err)
	if !none || !l.hasAddrs && !l.rejected {
		r.recordFailure(Failure{Candidate: Candidate{Target: l.target}, Err: l.err})
	}
	if !none || !l.hasAddrs {
		r.askLater(l)
	}
	l.err = nil
}

// expandSRV gives l a lane for each of services, which are in the order of RFC 2782: each
// starts one delay after the one before. They replace those of an earlier answer that have
// not started.
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
			// This is a host name, whatever it looks like: services could refer to
			// each other without end, and DNS must not choose a MAC address or a
			// socket. It is absolute (RFC 2782): the search list does not apply.
			r.askName(in, s.Host+".")
			continue
		}
		r.resolveTarget(in)
	}
	for _, in := range dropped {
		r.discard(in)
	}
}

// discard removes l from the race, and abandons its lookups.
func (r *race) discard(l *lane) {
	l.queue, l.group, l.err, l.pendingLookups = [2][]group{}, nil, nil, 0
	r.lookups.abandon(l.index)
}

// notFound reports whether err is nil or says that the name has no address.
func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}
