package engine

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
	transports int
	noRetry    bool // see Dialer.NoRetry
	banner     bool // see repeatBefore

	startedSockets map[netip.AddrPort]StartedSocket

	root     tiers   // the targets' lanes
	proxies  tiers   // start at once
	commands tiers   // start late
	lanes    []*lane // all there are, those inside others included
	open     []*lane // those that have started

	candidates map[Addr]*candidate // one address is one candidate, by however many lanes
	pending    []*candidate        // on the list, with transports left to try

	// interfaces returns those from which an address is tried as well as by
	// the kernel's own route.
	interfaces func(Addr) []string

	// Attempts at addresses by transports that are eager (Transport.EagerACK)
	// begin eagerGap apart.
	eager     []bool
	nextEager time.Duration
	later     []later

	round   round
	blocked *attempt // next has returned it, and there was no descriptor for it
}

// eagerGap is between attempts whose ACK cannot be held back. A server nearer than
// it answers the first before the second has begun; one farther away answers the
// first while the second is in SYN_SENT, if the gap is longer than the race takes to
// wake up and close it. Measured with MPTCP, three addresses of one server and 40
// races each at round trips of 0, 2 and 20 ms: of the 80 losers 39, 75 and 79
// connected without a gap, 0, 0 and 1 with 2 or 5 ms, none with 10 ms. Addresses whose
// round trips differ by just the gap may still connect at the same time.
const eagerGap = 10 * time.Millisecond

// A candidate is one address of the race, by one way out of this machine.
type candidate struct {
	addr         Addr
	iface        string       // the interface; "" for the kernel's choice
	perInterface []*candidate // the same address by each other interface
	lanes        []*lane      // every lane it came from; the first has started it
	next         *candidate   // of that lane
	rounds       int          // how often its attempts were repeated

	nextTransport int
	last          *attempt      // by the transport before that
	due           time.Duration // when that one may start
	latest        time.Duration // and when it does, be it too soon or not; 0: it is not
	started       time.Duration // its first attempt
	live          int           // attempts under way
	finished      bool
	synthesized   bool // it is tried by IPv6 as well (NAT64)
}

func newSchedule(delay time.Duration, transports int) *schedule {
	return &schedule{delay: delay, transports: transports, candidates: map[Addr]*candidate{}}
}

// addTargets adds a lane for each of targets.
func (s *schedule) addTargets(headStart time.Duration, targets []Target) {
	s.root.gap = min(headStart, never/2) // no sum of it overflows
	seen := map[Target]bool{}
	for _, t := range targets {
		if !seen[t] {
			seen[t] = true
			s.root.lanes = append(s.root.lanes, []*lane{s.newLane(t)})
		}
	}
}

// newLane makes a lane of t. It is for the caller to put it into an order.
func (s *schedule) newLane(t Target) *lane {
	l := &lane{target: t, index: len(s.lanes), resolutionDeadline: never}
	s.lanes = append(s.lanes, l)
	return l
}

// due is when something is next to be started, unless news comes first. A blocked
// attempt waits for news alone, and everything else for the blocked attempt.
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

// over reports whether nothing is under way and nothing can be started.
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

// tooSoon reports whether c, whose turn it is, would start less than eagerGap
// after another one. It waits for no longer than one delay: there may be many.
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

// openLanes opens every lane whose time has come.
func (s *schedule) openLanes(now time.Duration) {
	s.open = append(s.open, s.root.start(now)...)
	s.open = append(s.open, s.proxies.start(now)...)
	if s.commandDue() <= now && !s.commandOpen() {
		s.open = append(s.open, s.commands.start(now)...)
	}
	for i := 0; i < len(s.open); i++ { // which grows meanwhile
		if inner := s.open[i].srvLanes; inner != nil {
			s.open = append(s.open, inner.start(now)...)
		}
	}
}

// addCandidate makes a the address that l is trying. It returns nil if another lane
// came to a first: l then shares its fate, and waits for it as for its own.
func (s *schedule) addCandidate(l *lane, a Addr, now time.Duration) *candidate {
	l.started = true
	if l.command != nil {
		s.commands.next = max(s.commands.next, now+s.commands.gap)
	}
	c, known := s.candidates[a]
	if !known {
		c = &candidate{addr: a, started: now}
		if a.isSocket() || a.Proxy != nil {
			c.nextTransport = s.transports - 1 // one attempt: transports are for IP, and for targets
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

// attach makes c one of l's, with its clones that are not dead.
func (c *candidate) attach(l *lane) {
	c.lanes = append(c.lanes, l)
	if !c.finished {
		l.live++
	}
	for _, clone := range c.perInterface {
		clone.attach(l)
	}
}

// attempt takes c's next transport.
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

// delayNext has no address of c's lanes follow c before until.
func (c *candidate) delayNext(until time.Duration) {
	for _, l := range c.lanes {
		if c.iface == "" && !l.noAttemptDelay {
			l.next = max(l.next, until)
		}
	}
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

// ready notes the end of a that succeeded, for a race that goes on all the
// same. What is still to start keeps its time.
func (s *schedule) ready(a *attempt) {
	a.candidate.live--
	s.retire(a.candidate)
}

// retire takes c out of its lanes if nothing more can come of it.
func (s *schedule) retire(c *candidate) {
	c.finished = c.nextTransport >= s.transports && c.live == 0
	for _, l := range c.lanes {
		if c.finished {
			l.live--
		}
	}
}

// size counts the candidates, those that have not had their turn included.
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

// isStarted reports whether a connection to c has been tried, or is about to be.
func (c *candidate) isStarted() bool {
	for a := c.last; a != nil; a = a.before {
		if a.tries > 0 || !a.ended {
			return true
		}
	}
	return false
}

// tried counts the candidates that have had their turn.
func (s *schedule) tried() (n int) {
	for _, c := range s.candidates {
		if c.last != nil {
			n++
		}
	}
	return n
}

// left ends the schedule, or all of it but commands: it yields every address that
// never had its turn, with its first lane.
func (s *schedule) left(commands bool) iter.Seq2[*lane, Addr] {
	return func(yield func(*lane, Addr) bool) {
		for _, c := range s.pending { // those that were too soon, or skipped
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
