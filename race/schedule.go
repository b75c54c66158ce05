package race

import (
	"iter"
	"time"
)

// never is the time of what waits for news, not for the clock.
const never = time.Duration(1<<63 - 1)

// A schedule says which attempt is next, and when. It is pure: the loop tells
// it the time and the news, and it tells the loop what to start. All times are
// since the race began.
type schedule struct {
	delay      time.Duration
	transports int

	root  order
	lanes []*lane // all there are, those inside others included
	open  []*lane // those that have started

	known   map[Addr]*candidate // one address is one candidate, by however many lanes
	waiting []*candidate        // on the list, with transports left to try
	spare   []*candidate        // room for the next waiting

	// interfaces returns those from which an address is tried as well as by
	// the kernel's own route.
	interfaces func(Addr) []string
}

// A candidate is one address of the race, by one way out of this machine.
type candidate struct {
	addr   Addr
	via    string       // the interface; "" for the kernel's choice
	clones []*candidate // the same address by each other interface
	lanes  []*lane      // every lane it came from; the first has started it

	nextTransport int
	due           time.Duration // when that one may start
	started       time.Duration // its first attempt
	live          int           // attempts under way
	dead          bool
	synthesized   bool // it is tried by IPv6 as well (NAT64)
}

// An attempt is one socket: a candidate by one transport.
type attempt struct {
	*candidate
	transport int
	began     time.Duration
	fd        int
	connected bool
	err       error // why it has failed
}

func newSchedule(delay, headStart time.Duration, transports int, targets []Target) *schedule {
	s := &schedule{delay: delay, transports: transports, known: map[Addr]*candidate{}}
	s.root.gap = min(headStart, never/2) // no sum of it overflows
	seen := map[Target]bool{}
	for _, t := range targets {
		if !seen[t] {
			seen[t] = true
			s.root.tiers = append(s.root.tiers, []*lane{s.newLane(t)})
		}
	}
	return s
}

// newLane makes a lane of t. It is for the caller to put it into an order.
func (s *schedule) newLane(t Target) *lane {
	l := &lane{target: t, index: len(s.lanes), patience: never}
	s.lanes = append(s.lanes, l)
	return l
}

// due is when something is next to be started, unless news comes first.
func (s *schedule) due() time.Duration {
	d := s.root.due()
	for _, l := range s.open {
		d = min(d, l.due())
		if l.inner != nil {
			d = min(d, l.inner.due())
		}
	}
	for _, c := range s.waiting {
		d = min(d, c.due)
	}
	return d
}

// over reports whether nothing is under way and nothing can be started.
func (s *schedule) over() bool { return s.root.over() }

// starts yields every attempt that is due at now. The caller starts each before
// it takes the next, and tells failed at once if it fails there and then.
func (s *schedule) starts(now time.Duration) iter.Seq[*attempt] {
	return func(yield func(*attempt) bool) {
		waiting := s.waiting
		s.waiting, s.spare = s.spare[:0], waiting
		for i, c := range waiting {
			if c.due > now {
				s.waiting = append(s.waiting, c)
			} else if !yield(s.attempt(c, now)) {
				s.waiting = append(s.waiting, waiting[i+1:]...)
				return
			}
		}
		s.openLanes(now)
		for _, l := range s.open {
			for l.due() <= now {
				g := l.take()
				for i, a := range g {
					if c := s.enter(l, a, now); c != nil && !yield(s.attempt(c, now)) {
						if i+1 < len(g) {
							l.addGroup(g[i+1:])
							l.next = now
						}
						return
					}
				}
			}
		}
	}
}

// openLanes opens every lane whose time has come.
func (s *schedule) openLanes(now time.Duration) {
	s.open = append(s.open, s.root.start(now)...)
	for i := 0; i < len(s.open); i++ { // which grows meanwhile
		if inner := s.open[i].inner; inner != nil {
			s.open = append(s.open, inner.start(now)...)
		}
	}
}

// enter makes a the address that l is trying. It returns nil if another lane
// came to a first: l then shares its fate, and waits for it as for its own.
func (s *schedule) enter(l *lane, a Addr, now time.Duration) *candidate {
	l.started = true
	c, known := s.known[a]
	if !known {
		c = &candidate{addr: a, started: now}
		if a.isSocket() {
			c.nextTransport = s.transports - 1 // one attempt: transports are for IP
		}
		s.known[a] = c
	}
	c.join(l)
	if c.dead {
		return nil
	}
	if !l.atOnce {
		l.next = c.started + s.delay
	}
	if known {
		return nil
	}
	for _, name := range s.interfaces(a) {
		clone := &candidate{addr: a, via: name, due: now + s.delay}
		clone.join(l)
		c.clones = append(c.clones, clone)
	}
	s.waiting = append(s.waiting, c.clones...)
	return c
}

// join makes c one of l's, with its clones that are not dead.
func (c *candidate) join(l *lane) {
	c.lanes = append(c.lanes, l)
	if !c.dead {
		l.live++
	}
	for _, clone := range c.clones {
		clone.join(l)
	}
}

// attempt takes c's next transport.
func (s *schedule) attempt(c *candidate, now time.Duration) *attempt {
	a := &attempt{candidate: c, transport: c.nextTransport, began: now, fd: -1}
	c.nextTransport++
	c.live++
	if c.nextTransport < s.transports {
		c.due = now + s.delay
		s.waiting = append(s.waiting, c)
	}
	return a
}

// failed notes the end of a: its address's next transport starts at once, and
// so do its clones and the next address of its lanes. Where unusable says that the transport
// cannot be had on this machine, the next transport takes a's place instead:
// nothing is known against the address.
func (s *schedule) failed(a *attempt, now time.Duration, unusable bool) {
	c := a.candidate
	c.live--
	left := c.nextTransport < s.transports
	if left {
		c.due = now
		if unusable {
			return
		}
	}
	for _, clone := range c.clones {
		clone.due = min(clone.due, now)
	}
	for _, l := range c.lanes {
		if c.via == "" {
			l.next = min(l.next, now)
		}
	}
	s.bury(c)
}

// ready notes the end of a that succeeded, for a race that goes on all the
// same. What is still to start keeps its time.
func (s *schedule) ready(a *attempt) {
	a.candidate.live--
	s.bury(a.candidate)
}

// bury takes c out of its lanes if nothing more can come of it.
func (s *schedule) bury(c *candidate) {
	c.dead = c.nextTransport >= s.transports && c.live == 0
	for _, l := range c.lanes {
		if c.dead {
			l.live--
		}
	}
}

// size counts the candidates, those that have not had their turn included.
func (s *schedule) size() int {
	n := len(s.known)
	var queued map[Addr]bool
	for _, l := range s.lanes {
		for a := range l.queued() {
			if s.known[a] == nil && !queued[a] {
				if queued == nil {
					queued = map[Addr]bool{}
				}
				queued[a] = true
				n++
			}
		}
	}
	return n
}

// left ends the schedule: it yields every address that never had its turn, with
// its first lane.
func (s *schedule) left() iter.Seq2[*lane, Addr] {
	return func(yield func(*lane, Addr) bool) {
		for _, l := range s.lanes {
			for a := range l.queued() {
				if c := s.known[a]; c != nil {
					c.lanes = append(c.lanes, l)
					continue
				}
				s.known[a] = &candidate{addr: a, dead: true}
				if !yield(l, a) {
					return
				}
			}
		}
	}
}
