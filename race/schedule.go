package race

import (
	"iter"
	"net/netip"
	"time"
)

// never is the time of what waits for news, not for the clock.
const never = time.Duration(1<<63 - 1)

// A schedule says which attempt is next, and when. It is pure: the loop tells
// it the time and the news, and it tells the loop what to start. All times are
// since the race began.
type schedule struct {
	delay      time.Duration
	headStart  time.Duration
	transports int

	lanes    []*lane
	open     int           // lanes[:open] have started
	nextOpen time.Duration // when the next one may

	known   map[netip.AddrPort]*candidate // one address is one candidate, by however many lanes
	waiting []*candidate                  // on the list, with transports left to try

	// interfaces returns those from which an address is tried as well as by
	// the kernel's own route.
	interfaces func(netip.Addr) []string
}

// A lane is one target on its way through the race.
type lane struct {
	target Target

	// waits counts the families whose answer is still to come. The lane holds
	// its first attempt back for v6's until patience has run out.
	waits     int
	waitsFor6 bool
	patience  time.Duration
	answers   bool  // there was one that gave addresses
	err       error // why there was none, or not all

	queue   [2][]netip.AddrPort // addresses not started, by family: IPv6, IPv4
	turn    int                 // the family whose turn it is
	started bool
	next    time.Duration // when the next address may start
	live    int           // candidates under way
}

// A candidate is one address of the race, by one way out of this machine.
type candidate struct {
	addr   netip.AddrPort
	via    string       // the interface; "" for the kernel's choice
	clones []*candidate // the same address by each other interface
	lanes  []*lane      // every lane it came from; the first has started it

	nextTransport int
	due           time.Duration // when that one may start
	started       time.Duration // its first attempt
	live          int           // attempts under way
	dead          bool
}

// An attempt is one socket: a candidate by one transport.
type attempt struct {
	*candidate
	transport int
	fd        int
	connected bool
}

func newSchedule(delay, headStart time.Duration, transports int, targets []Target) *schedule {
	s := &schedule{delay: delay, headStart: min(headStart, never/2), transports: transports, known: map[netip.AddrPort]*candidate{}}
	seen := map[Target]bool{}
	for _, t := range targets {
		if !seen[t] {
			seen[t] = true
			s.lanes = append(s.lanes, &lane{target: t, patience: never})
		}
	}
	return s
}

// asked notes that l waits for the addresses of family.
func (l *lane) asked(family Family) {
	l.waits++
	if family == IPv6 {
		l.waitsFor6 = true
	}
}

// answered adds the addresses of one family to l, in the resolver's order (RFC
// 6724). They join at their place: what has started stays.
func (s *schedule) answered(l *lane, family Family, addrs []netip.AddrPort, now time.Duration) {
	l.waits--
	if family == IPv6 {
		l.waitsFor6 = false
	}
	if len(addrs) > 0 && !l.answers {
		l.answers = true
		l.patience = now + resolutionDelay
	}
	l.add(addrs...)
}

func (l *lane) add(addrs ...netip.AddrPort) {
	for _, a := range addrs {
		f := queueOf(a)
		l.queue[f] = append(l.queue[f], a)
	}
}

func queueOf(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return 1
	}
	return 0
}

// due is when the next attempt of l may start.
func (l *lane) due() time.Duration {
	switch {
	case len(l.queue[0])+len(l.queue[1]) == 0:
		return never
	case !l.started && l.waitsFor6:
		return l.patience
	}
	return l.next
}

// over reports whether nothing more can come of l.
func (l *lane) over() bool {
	return l.waits == 0 && l.live == 0 && len(l.queue[0])+len(l.queue[1]) == 0
}

// take removes the address of l whose turn it is: the families alternate,
// IPv6 first, while both have addresses (RFC 8305 section 4).
func (l *lane) take() netip.AddrPort {
	f := l.turn
	if len(l.queue[f]) == 0 {
		f = 1 - f
	}
	a := l.queue[f][0]
	l.queue[f] = l.queue[f][1:]
	l.turn = 1 - f
	return a
}

// due is when something is next to be started, unless news comes first.
func (s *schedule) due() time.Duration {
	d := never
	if s.open < len(s.lanes) {
		d = s.nextOpen
	}
	for _, l := range s.lanes[:s.open] {
		d = min(d, l.due())
	}
	for _, c := range s.waiting {
		d = min(d, c.due)
	}
	return d
}

// over reports whether nothing is under way and nothing can be started.
func (s *schedule) over() bool { return allOver(s.lanes) }

// starts yields every attempt that is due at now. The caller starts each before
// it takes the next, and tells failed at once if it fails there and then.
func (s *schedule) starts(now time.Duration) iter.Seq[*attempt] {
	return func(yield func(*attempt) bool) {
		waiting := s.waiting
		s.waiting = nil
		for i, c := range waiting {
			if c.due > now {
				s.waiting = append(s.waiting, c)
			} else if !yield(s.attempt(c, now)) {
				s.waiting = append(s.waiting, waiting[i+1:]...)
				return
			}
		}
		s.openLanes(now)
		for _, l := range s.lanes[:s.open] {
			for l.due() <= now {
				if c := s.enter(l, l.take(), now); c != nil && !yield(s.attempt(c, now)) {
					return
				}
			}
		}
	}
}

// openLanes opens every lane whose time has come: headStart after the one
// before it, or at once when all before it have failed.
func (s *schedule) openLanes(now time.Duration) {
	for s.open < len(s.lanes) && (s.nextOpen <= now || allOver(s.lanes[:s.open])) {
		s.lanes[s.open].next = now
		s.open++
		s.nextOpen = now + s.headStart
	}
}

func allOver(lanes []*lane) bool {
	for _, l := range lanes {
		if !l.over() {
			return false
		}
	}
	return true
}

// enter makes a the address that l is trying. It returns nil if another lane
// came to a first: l then shares its fate, and waits for it as for its own.
func (s *schedule) enter(l *lane, a netip.AddrPort, now time.Duration) *candidate {
	l.started = true
	c, known := s.known[a]
	if !known {
		c = &candidate{addr: a, started: now}
		s.known[a] = c
	}
	c.join(l)
	if c.dead {
		return nil
	}
	l.next = c.started + s.delay
	if known {
		return nil
	}
	for _, name := range s.interfaces(a.Addr()) {
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
	a := &attempt{candidate: c, transport: c.nextTransport, fd: -1}
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
	c.dead = !left && c.live == 0
	for _, l := range c.lanes {
		if c.via == "" {
			l.next = min(l.next, now)
		}
		if c.dead {
			l.live--
		}
	}
}

// left yields every address that never had its turn, with its first lane.
func (s *schedule) left() iter.Seq2[*lane, netip.AddrPort] {
	return func(yield func(*lane, netip.AddrPort) bool) {
		for _, l := range s.lanes {
			for _, q := range l.queue {
				for _, a := range q {
					if s.known[a] != nil {
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
}
