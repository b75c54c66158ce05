package engine

import (
	"iter"
	"net/netip"
	"time"
)

// never is the time of what waits for an event, not for a timer.
const never = time.Duration(1<<63 - 1)

// A schedule decides which attempt is next, and when. It has no side effects: the race tells
// it the time and what has happened. All times are since the race began.
type schedule struct {
	delay      time.Duration
	transports int
	noRetry    bool // Dialer.NoRetry
	banner     bool // Dialer.Banner is set; see repeatBefore

	startedSockets map[netip.AddrPort]StartedSocket

	root     tiers   // of targets
	proxies  tiers   // start at once
	commands tiers   // start late
	lanes    []*lane // all, those of SRV records included
	open     []*lane // lanes that have started

	candidates map[Addr]*candidate // an address that several lanes have is one candidate
	pending    []*candidate        // those with transports left to try, and those that were put off

	// interfaces returns those from which an address is tried in addition.
	interfaces func(Addr) []string

	eager     []bool        // by transport: Transport.EagerACK
	nextEager time.Duration // when the next attempt by one of those may start
	later     []later       // tries that were put off

	round   round
	blocked *attempt // see putBack
}

// eagerGap is the time between attempts whose ACK cannot be held back. A server whose round
// trip is shorter answers the first attempt before the second starts. A server farther away
// answers the first while the second is in SYN_SENT, and the race closes that one, if the
// gap is longer than the race needs to wake up. Measured with MPTCP, three addresses of one
// server, and 40 races each at round trips of 0, 2 and 20 ms: 39, 75 and 79 of the 80
// losers connected without a gap; 0, 0 and 1 with 2 or 5 ms; none with 10 ms. Addresses
// whose round trips differ by exactly the gap may still connect at the same time.
const eagerGap = 10 * time.Millisecond

// A candidate is an address of the race, from one interface or by the kernel's own route.
type candidate struct {
	addr         Addr
	iface        string       // "" for the kernel's own route
	perInterface []*candidate // the same address from each of Dialer.Interfaces
	lanes        []*lane      // all lanes that have it; the first has started it
	next         *candidate   // in the list of that lane
	rounds       int          // how often its attempts were repeated

	nextTransport int
	last          *attempt      // by the transport before nextTransport
	due           time.Duration // when nextTransport may start
	latest        time.Duration // when it starts regardless of eagerGap; 0: not put off
	started       time.Duration // when its first attempt started
	live          int           // attempts that may still win
	finished      bool          // it cannot win any more
	synthesized   bool          // it is also tried through NAT64
}

func newSchedule(delay time.Duration, transports int) *schedule {
	return &schedule{delay: delay, transports: transports, candidates: map[Addr]*candidate{}}
}

// addTargets adds a lane for each of targets.
func (s *schedule) addTargets(headStart time.Duration, targets []Target) {
	s.root.gap = min(headStart, never/2) // so that no sum overflows
	seen := map[Target]bool{}
	for _, t := range targets {
		if !seen[t] {
			seen[t] = true
			s.root.lanes = append(s.root.lanes, []*lane{s.newLane(t)})
		}
	}
}

// newLane makes a lane for t, which the caller adds to tiers.
func (s *schedule) newLane(t Target) *lane {
	l := &lane{target: t, index: len(s.lanes), resolutionDeadline: never}
	s.lanes = append(s.lanes, l)
	return l
}

// due returns when the next attempt may start, unless an event comes first. A blocked attempt
// waits for an event, and all others wait for it.
func (s *schedule) due() time.Duration {
	if s.blocked != nil {
		return never
	}
	d := min(s.root.due(), s.proxies.due(), s.commandDue())
	for _, l := range s.open {
		d = min(d, l.due(), s.retryDue(l))
		if l.srvLanes != nil {
			d = min(d, l.srvLanes.due())
		}
	}
	for _, c := range s.pending {
		d = min(d, c.due)
	}
	for _, a := range s.later {
		if !a.ended && a.fd < 0 {
			d = min(d, a.at)
		}
	}
	return d
}

// over reports whether no lane can win any more.
func (s *schedule) over() bool { return s.root.over() && s.proxies.over() && s.commands.over() }

func (s *schedule) setEager(transport int) {
	if s.eager == nil {
		s.eager = make([]bool, s.transports)
	}
	s.eager[transport] = true
}

func (s *schedule) isEager(c *candidate, transport int) bool {
	return transport < len(s.eager) && s.eager[transport] && !c.addr.isSocket()
}

// tooSoon reports whether c would start less than eagerGap after another attempt. It puts c
// off, but for no longer than one delay, as there may be many.
func (s *schedule) tooSoon(c *candidate, now time.Duration) bool {
	if now >= s.nextEager || c.latest > 0 && now >= c.latest || !s.isEager(c, c.nextTransport) {
		return false
	}
	if c.latest == 0 {
		c.latest = now + s.delay
	}
	c.due = s.nextEager
	return true
}

// openLanes starts every lane whose time has come.
func (s *schedule) openLanes(now time.Duration) {
	s.open = s.root.start(now, s.open)
	s.open = s.proxies.start(now, s.open)
	if s.commandDue() <= now && !s.commandOpen() {
		s.open = s.commands.start(now, s.open)
	}
	for i := 0; i < len(s.open); i++ { // the loop appends to it
		if inner := s.open[i].srvLanes; inner != nil {
			s.open = inner.start(now, s.open)
		}
	}
}

// addCandidate makes a candidate of a, an address of l. It returns nil if another lane has
// started it before: l then waits for that candidate as for its own.
func (s *schedule) addCandidate(l *lane, a Addr, now time.Duration) *candidate {
	l.started = true
	if l.command != nil {
		s.commands.next = max(s.commands.next, now+s.commands.gap)
	}
	c, known := s.candidates[a]
	if !known {
		c = &candidate{addr: a, started: now}
		if a.isSocket() || a.Proxy != nil {
			c.nextTransport = s.transports - 1 // only one: transports are for IP addresses of targets
		}
		s.candidates[a] = c
	}
	c.attach(l)
	if c.finished {
		return nil
	}
	if !l.noAttemptDelay {
		l.next = c.started + s.delay
	}
	if known {
		return nil
	}
	l.adopt(c)
	for _, name := range s.interfaces(a) {
		clone := &candidate{addr: a, iface: name, due: now + s.delay, nextTransport: c.nextTransport}
		clone.attach(l)
		l.adopt(clone)
		c.perInterface = append(c.perInterface, clone)
	}
	s.pending = append(s.pending, c.perInterface...)
	return c
}

// attach adds l to the lanes of c and of its perInterface candidates.
func (c *candidate) attach(l *lane) {
	c.lanes = append(c.lanes, l)
	if !c.finished {
		l.live++
	}
	for _, clone := range c.perInterface {
		clone.attach(l)
	}
}

// attempt makes the attempt at c by its next transport.
func (s *schedule) attempt(c *candidate, now time.Duration) *attempt {
	a := &attempt{candidate: c, transport: c.nextTransport, before: c.last, began: now, fd: -1}
	if s.isEager(c, a.transport) {
		s.nextEager = now + eagerGap
	}
	if c.latest > 0 && c.last == nil {
		c.delayNext(now + s.delay)
		c.started = now
	}
	c.last = a
	c.lanes[0].last = now
	c.nextTransport++
	c.latest = 0
	c.live++
	if c.nextTransport < s.transports {
		c.due = now + s.delay
		s.pending = append(s.pending, c)
	}
	return a
}

// delayNext keeps the next address of c's lanes from starting before until.
func (c *candidate) delayNext(until time.Duration) {
	for _, l := range c.lanes {
		if c.iface == "" && !l.noAttemptDelay {
			l.next = max(l.next, until)
		}
	}
}

// failed records that a has failed. The next transport of its address may start at once, and
// so may its perInterface candidates and the next address of its lanes. If unusable, this
// machine does not have the transport, and only the next transport starts at once: nothing
// is known about the address.
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
	for _, clone := range c.perInterface {
		clone.due = min(clone.due, now)
	}
	for _, l := range c.lanes {
		if c.iface == "" {
			l.next = min(l.next, now)
		}
	}
	s.retire(c)
}

// ready records that a has succeeded in a race that continues (Dialer.RunAll). Attempts that
// are still to start keep their time.
func (s *schedule) ready(a *attempt) {
	a.candidate.live--
	s.retire(a.candidate)
}

// retire removes c from its lanes if it cannot win any more.
func (s *schedule) retire(c *candidate) {
	c.finished = c.nextTransport >= s.transports && c.live == 0
	for _, l := range c.lanes {
		if c.finished {
			l.live--
		}
	}
}

// size counts the addresses, started or not.
func (s *schedule) size() int {
	n := len(s.candidates)
	var queued map[Addr]bool
	for _, l := range s.lanes {
		for a := range l.queued() {
			if s.candidates[a] == nil && !queued[a] {
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

// isStarted reports whether an attempt at c has started, or is about to.
func (c *candidate) isStarted() bool {
	for a := c.last; a != nil; a = a.before {
		if a.tries > 0 || !a.ended {
			return true
		}
	}
	return false
}

// tried counts the addresses that have had their turn.
func (s *schedule) tried() (n int) {
	for _, c := range s.candidates {
		if c.last != nil {
			n++
		}
	}
	return n
}

// left ends the schedule, except for commands unless commands is set. It yields every address
// that has not had its turn, with its first lane.
func (s *schedule) left(commands bool) iter.Seq2[*lane, Addr] {
	return func(yield func(*lane, Addr) bool) {
		for _, c := range s.pending { // those that were put off or skipped
			if c.addr.Command != nil && !commands {
				continue
			}
			if c.iface == "" && !c.isStarted() && !yield(c.lanes[0], c.addr) {
				return
			}
		}
		for _, l := range s.lanes {
			if l.command != nil && !commands {
				continue
			}
			for a := range l.queued() {
				if c := s.candidates[a]; c != nil {
					c.lanes = append(c.lanes, l)
					continue
				}
				s.candidates[a] = &candidate{addr: a, finished: true}
				if !yield(l, a) {
					return
				}
			}
		}
	}
}
