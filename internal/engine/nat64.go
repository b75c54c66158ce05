package engine

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"fdrace/internal/resolve"
)

// nat64 is what a race knows of an IPv6-only network's way to IPv4 (RFC 6052),
// and which IPv4 addresses may need it.
type nat64 struct {
	asked, answered bool
	prefixes        []netip.Prefix
	later           []awaitingNAT64 // those that have one delay more, in the order of due
	waiting         []awaitingNAT64 // those that wait for the answer
	until           time.Duration   // when their lanes wait no longer
}

// A awaitingNAT64 candidate has an IPv4 address that does not answer, or cannot.
type awaitingNAT64 struct {
	*candidate
	due   time.Duration
	lanes []*lane // those that are not over before it has been tried by IPv6
}

// nat64Patience is how long lanes that have nothing else wait for the prefix: no
// longer than for a name server that may know a name.
const nat64Patience = time.Second

// due is when n has something to do.
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

// mayNeedNAT64 reports whether a's address could be reached through IPv6.
func (r *race) mayNeedNAT64(a *attempt) bool {
	return !a.addr.isSocket() && a.addr.Addr().Is4() && !a.addr.Addr().IsLoopback() && a.iface == "" &&
		r.family == AnyFamily && len(a.lanes) > 0
}

// watchIPv4 has a's address tried by IPv6 if it is silent for one delay.
func (r *race) watchIPv4(a *attempt) {
	if a.transport == 0 && a.tries <= 1 && r.mayNeedNAT64(a) {
		s := awaitingNAT64{a.candidate, a.began + r.schedule.delay, nil}
		i := len(r.nat64.later)
		for i > 0 && r.nat64.later[i-1].due > s.due { // which was begun before the race
			i--
		}
		r.nat64.later = slices.Insert(r.nat64.later, i, s)
	}
}

// failedIPv4 takes the end of a. Where there is no route to an IPv4 address it
// is tried by IPv6 at once; where a router, or the lack of a neighbor, says that
// there is no such host, one delay later. Until then its lanes are not over.
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

// startNAT64 takes those whose time has come.
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
			continue // it has answered after all
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

// awaitNAT64 tries s by IPv6 as soon as it is known how.
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
		return // there is nothing better than the answer before
	}
	r.nat64.answered = true
	r.nat64.prefixes = a.prefixes
	for _, s := range r.nat64.waiting {
		r.synthesize(s)
	}
	r.nat64.waiting = nil
}

// synthesize queues the address of s below each prefix, once.
func (r *race) synthesize(s awaitingNAT64) {
	if s.lanes == nil && s.finished {
		return // it has failed meanwhile, and its lanes may be over
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

// letGo has the lanes of s wait for it no longer.
func (r *race) letGo(s *awaitingNAT64) {
	for _, l := range s.lanes {
		l.pendingLookups--
		r.reportLookupError(l)
	}
	s.lanes = nil
}
