package engine

import (
	"slices"
	"time"
)

// The kernel sends a lost SYN again after 1 s. A race starts another connection sooner: when
// a lane has no new address to try, it tries an address again that has not answered, one
// Delay after the lane's last attempt. This time doubles whenever all of the lane's addresses
// have been tried again. The earlier tries stay open; the first answer counts.

// keepFor is how long a try is not closed for another one: its answer may be slow, and not
// lost. The kernel repeats its SYN meanwhile.
const keepFor = 3 * time.Second

// backlogWait is the time between tries at a Unix-domain socket whose backlog is full:
// poll(2) does not tell when there is room.
const backlogWait = 50 * time.Millisecond

// retryDue returns when l tries an address again that is silent.
func (s *schedule) retryDue(l *lane) time.Duration {
	if s.noRetry || !l.isEmpty() {
		return never
	}
	c := l.silent(s.transports)
	if c == nil {
		return never
	}
	const most = 16 // doublings, so that the shift does not overflow
	return l.last + s.delay<<min(c.rounds, most)
}

// silent returns the candidate of l that has been repeated least, of those that have not
// answered by any transport; or nil.
func (l *lane) silent(transports int) (found *candidate) {
	for c := l.own; c != nil; c = c.next {
		if c.silent(transports) && (found == nil || c.rounds < found.rounds) {
			found = c
		}
	}
	return found
}

// silent reports whether an attempt at c is pending, and none has connected.
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

// repeat makes nextRepeat return the pending attempts at c that may have another try, in the
// order of the transports. It reports whether there are any.
func (s *schedule) repeat(c *candidate, now time.Duration) bool {
	c.lanes[0].last = now
	repeats, rounds := s.round.repeats[:0], c.rounds
	for a := c.last; a != nil; a = a.before {
		if !a.pendingBefore(now) { // it has just started, or ended
			continue
		}
		c.rounds = rounds + 1
		if a.n < s.maxTries() || now-a.open[0].began >= keepFor {
			repeats = append(repeats, a)
		}
	}
	slices.Reverse(repeats)
	s.round.repeats = repeats
	return len(repeats) > 0
}

// maxTries returns how many tries of an attempt are open at a time.
func (s *schedule) maxTries() int { return max(1, maxOpen/s.transports) }

// nextRepeat returns the next attempt that repeat has found and that is still pending.
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

// again puts off the next try of a until at.
func (s *schedule) again(a *attempt, at time.Duration) {
	for i := range s.later {
		if s.later[i].attempt == a {
			s.later[i].at = at
			return
		}
	}
	s.later = append(s.later, later{a, at})
}

// addTry adds a try of a. If maxTries are open, it closes the oldest: the kernel
// repeats that one's SYN more and more rarely, and the new one has another port, for which a
// network with several paths may choose one that works.
func (r *race) addTry(a *attempt, fd int) {
	if a.n >= r.schedule.maxTries() {
		r.close(a, a.open[0].fd)
	}
	began := a.began
	if a.tries > 1 {
		began = r.sys.Now()
	}
	a.add(try{fd, a.tries, began})
	r.byFD[fd] = a
}

// closeRetry closes a try of an attempt that has another one, to free a descriptor for a new
// address. It reports whether there was such a try.
func (r *race) closeRetry() bool {
	for _, a := range r.attempts {
		if a.pending() && a.n > 1 {
			r.close(a, a.open[a.n-1].fd)
			return true
		}
	}
	return false
}

// maxAge returns Transport.MaxAge for a, or never. It does not call that before the first
// attempt has waited for a while: most races are over by then.
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

// expire closes the tries that are too old, and starts another one if that was the last.
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

// expireDue returns when the next try will be too old.
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
