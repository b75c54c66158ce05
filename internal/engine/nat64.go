package engine

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"fdrace/internal/resolve"
)

// nat64 has the NAT64 prefixes of an IPv6-only network (RFC 6052), and the IPv4 addresses
// that may need them.
type nat64 struct {
	asked, answered bool
	prefixes        []netip.Prefix
	later           []awaitingNAT64 // those that need NAT64 if they are silent until due, by due
	waiting         []awaitingNAT64 // those that wait for the answer
	until           time.Duration   // when their lanes stop waiting
}

// awaitingNAT64 is a candidate whose IPv4 address does not answer, or has no route.
type awaitingNAT64 struct {
	*candidate
	due   time.Duration
	lanes []*lane // they are not over before it has been tried by IPv6
}

// nat64Patience is how long lanes with no other address wait for the prefix: as long as a
// lookup waits for a silent name server when another has a negative answer.
const nat64Patience = time.Second

// due returns when n has something to do.
func (n *nat64) due() time.Duration {
	due := never
	if len(n.later) > 0 {
		due = n.later[0].due
	}
	if len(n.waiting) > 0 {
		due = min(due, n.until)
	}
	return due
}

func (r *race) askNAT64() {
	if r.nat64.asked {
		return
	}
	r.nat64.asked = true
	r.nat64.until = r.sys.Now() + nat64Patience
	r.lookups.start(question{kind: askNAT64})
}

// mayNeedNAT64 reports whether the address of a could be reached through NAT64.
func (r *race) mayNeedNAT64(a *attempt) bool {
	return !a.addr.isSocket() && a.addr.Addr().Is4() && !a.addr.Addr().IsLoopback() && a.iface == "" &&
		r.family == AnyFamily && len(a.lanes) > 0
}

// watchIPv4 makes the race try the address of a through NAT64 if it is silent for one delay.
func (r *race) watchIPv4(a *attempt) {
	if a.transport == 0 && a.tries <= 1 && r.mayNeedNAT64(a) {
		s := awaitingNAT64{a.candidate, a.began + r.schedule.delay, nil}
		i := len(r.nat64.later)
		for i > 0 && r.nat64.later[i-1].due > s.due { // a socket of Started is older
			i--
		}
		r.nat64.later = slices.Insert(r.nat64.later, i, s)
	}
}

// failedIPv4 handles the failure of a. If there is no route to its IPv4 address, the race
// tries NAT64 at once; if a router, or the lack of a neighbor, says that the host cannot be
// reached, one delay later. Until then its lanes are not over.
func (r *race) failedIPv4(a *attempt, err error) {
	now := errors.Is(err, syscall.ENETUNREACH)
	if !now && !errors.Is(err, syscall.EHOSTUNREACH) || !r.mayNeedNAT64(a) || !a.finished || !r.sys.Route(IPv6) {
		return
	}
	s := awaitingNAT64{a.candidate, r.sys.Now() + r.schedule.delay, a.lanes[:len(a.lanes):len(a.lanes)]}
	for _, l := range s.lanes {
		l.pendingLookups++
	}
	if now {
		r.awaitNAT64(s)
	} else {
		r.nat64.later = append(r.nat64.later, s)
	}
}

// startNAT64 handles the candidates whose time has come.
func (r *race) startNAT64(now time.Duration) {
	if r.nat64.asked && r.nat64.until <= now {
		for i := range r.nat64.waiting {
			r.letGo(&r.nat64.waiting[i])
		}
		r.nat64.until = never
	}
	for len(r.nat64.later) > 0 && r.nat64.later[0].due <= now {
		s := r.nat64.later[0]
		r.nat64.later = r.nat64.later[1:]
		if s.lanes == nil && (s.finished || r.isConnected(s.candidate) || !r.sys.Route(IPv6)) {
			continue // it has answered or failed, or there is no IPv6
		}
		r.awaitNAT64(s)
	}
}

func (r *race) isConnected(c *candidate) bool {
	for _, a := range r.attempts {
		if a.candidate == c && a.connected {
			return true
		}
	}
	return false
}

// awaitNAT64 tries s through NAT64 as soon as the prefix is known.
func (r *race) awaitNAT64(s awaitingNAT64) {
	r.askNAT64()
	if r.nat64.answered {
		r.synthesize(s)
		return
	}
	if r.nat64.until == never {
		r.letGo(&s)
	}
	r.nat64.waiting = append(r.nat64.waiting, s)
}

func (r *race) answeredNAT64(a answer) {
	if r.nat64.answered && len(a.prefixes) == 0 {
		return // the earlier answer was better
	}
	r.nat64.answered = true
	r.nat64.prefixes = a.prefixes
	for _, s := range r.nat64.waiting {
		r.synthesize(s)
	}
	r.nat64.waiting = nil
}

// synthesize queues the address of s with each prefix, once.
func (r *race) synthesize(s awaitingNAT64) {
	if s.lanes == nil && s.finished {
		return // it has failed in the meantime, and its lanes may be over
	}
	for _, p := range r.nat64.prefixes {
		a, ok := resolve.NAT64Addr(p, s.addr.Addr())
		if !ok || s.synthesized {
			continue
		}
		for _, l := range s.candidate.lanes {
			l.add(Addr{AddrPort: netip.AddrPortFrom(a, s.addr.Port()), Proxy: s.addr.Proxy})
		}
	}
	s.synthesized = true
	r.letGo(&s)
}

// letGo makes the lanes of s stop waiting for it.
func (r *race) letGo(s *awaitingNAT64) {
	for _, l := range s.lanes {
		l.pendingLookups--
		r.reportLookupError(l)
	}
	s.lanes = nil
}
