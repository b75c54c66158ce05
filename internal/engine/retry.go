package engine

import (
	"slices"
	"time"
)

// A lost SYN is sent again by the kernel after 1 s. A race begins another
// connection sooner: when a lane has no new address to try, to one that has not
// answered, one Delay after the lane's last attempt, and then, as often as each of
// its addresses has had one, after twice as long. The kernel goes on with those
// before it; whichever is answered first counts.

// backlogWait is how long a Unix socket is left alone that has no room for another
// connection: poll(2) does not tell when it has.
const backlogWait = 50 * time.Millisecond

// retryDue is when l begins another connection to an address that is silent.
func (s *schedule) retryDue(l *lane) time.Duration {
	if s.noRetry || !l.isEmpty() {
		return never
	}
	c := l.silent(s.transports)
	if c == nil {
		return never
	}
	const most = 16 // doublings, which is beyond every deadline
	return l.last + s.delay<<min(c.rounds, most)
}

// silent returns the address of l that has had the fewest attempts of those that
// have not answered by any transport, or nil.
func (l *lane) silent(transports int) (found *candidate) {
	for c := l.own; c != nil; c = c.next {
		if c.silent(transports) && (found == nil || c.rounds < found.rounds) {
			found = c
		}
	}
	return found
}

func (c *candidate) silent(transports int) (pending bool) {
	if c.finished || c.addr.isSocket() || c.nextTransport < transports {
		return false
	}
	for a := c.last; a != nil; a = a.before {
		if a.fd >= 0 && !a.ended {
			return false // it has answered
		}
		pending = pending || a.pending()
	}
	return pending
}

// repeat has nextRepeat return every attempt of c that is pending, in the order of the
// transports. It reports whether there is any.
func (s *schedule) repeat(c *candidate, now time.Duration) bool {
	c.lanes[0].last = now
	repeats := s.round.repeats[:0]
	for a := c.last; a != nil; a = a.before {
		if a.pendingBefore(now) { // or it has just begun, as its turn had come anyway
			repeats = append(repeats, a)
		}
	}
	slices.Reverse(repeats)
	s.round.repeats = repeats
	if len(repeats) > 0 {
		c.rounds++
	}
	return len(repeats) > 0
}

// nextRepeat returns the next of those that repeat has found, if it is still pending.
func (s *schedule) nextRepeat(now time.Duration) *attempt {
	for r := &s.round; len(r.repeats) > 0; {
		a := r.repeats[0]
		r.repeats = r.repeats[1:]
		if !a.pendingBefore(now) {
			continue
		}
		if s.isEager(a.candidate, a.transport) {
			s.nextEager = now + eagerGap
		}
		return a
	}
	return nil
}

// again has a's next try begin at a time of its own.
func (s *schedule) again(a *attempt, at time.Duration) {
	for i := range s.later {
		if s.later[i].attempt == a {
			s.later[i].at = at
			return
		}
	}
	s.later = append(s.later, later{a, at})
}

// addTry adds a connection of a that has begun. At most maxOpen are open to one
// address, by all transports: the oldest makes stackgrow. By then the kernel repeats its
// SYN more and more rarely, and the new one has another port, by which a network
// that has several paths may choose one that works.
func (r *race) addTry(a *attempt, fd int) {
	if a.n >= max(1, maxOpen/len(r.transports)) {
		r.close(a, a.open[0].fd)
	}
	began := a.began
	if a.tries > 1 {
		began = r.sys.Now()
	}
	a.add(try{fd, a.tries, began})
	r.byFD[fd] = a
}

// closeRetry closes a connection whose address has another one under way, if there
// is such a one: a new address needs its descriptor more.
func (r *race) closeRetry() bool {
	for _, a := range r.attempts {
		if a.pending() && a.n > 1 {
			r.close(a, a.open[a.n-1].fd)
			return true
		}
	}
	return false
}

// maxAge is Transport.MaxAge for a, or never. It is not asked for before the first
// connection has lasted for a while: a race that is over by then has no need of it.
func (r *race) maxAge(a *attempt, now time.Duration) time.Duration {
	t := &r.transports[a.transport]
	if t.MaxAge == nil || a.addr.isSocket() {
		return never
	}
	if r.maxAges == nil {
		r.maxAges = make([]time.Duration, len(r.transports))
	}
	age := &r.maxAges[a.transport]
	if *age == 0 {
		soon := min(r.schedule.delay, DefaultDelay)
		if now < a.open[0].began+soon {
			return soon
		}
		if *age = t.MaxAge(); *age <= 0 {
			*age = never
		}
	}
	return *age
}

// expire closes the connections that are too old, and has another one begin where
// that was the last.
func (r *race) expire(now time.Duration) {
	if !r.hasMaxAge {
		return
	}
	for _, a := range r.attempts {
		for a.pending() && now-a.open[0].began >= r.maxAge(a, now) {
			r.close(a, a.open[0].fd)
			if a.n == 0 {
				r.schedule.again(a, now)
			}
		}
	}
}

// expireDue is when the next connection will be too old.
func (r *race) expireDue(now time.Duration) time.Duration {
	due := never
	if !r.hasMaxAge {
		return due
	}
	for _, a := range r.attempts {
		if !a.pending() {
			continue
		}
		if age := r.maxAge(a, now); age < never {
			due = min(due, a.open[0].began+age)
		}
	}
	return due
}
