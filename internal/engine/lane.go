package engine

import (
	"iter"
	"net/netip"
	"slices"
	"time"
)

// A lane is one target on its way through the race: a queue of its addresses,
// and when the next of them may start. All times are since the race began.
type lane struct {
	target  Target
	proxy   *Proxy   // whose server target is, if not nil
	command *Command // that leads to target, if not nil
	index   int      // in schedule.lanes
	listed  bool     // it is not inside another

	lastAsked time.Duration // when its first question was asked last

	// pendingLookups counts the questions whose answer is still to come. The lane holds
	// its first attempt back for IPv6's until patience has run out.
	pendingLookups     int
	awaitingAAAA       bool
	pendingA           bool // and there is no answer yet
	awaitingA          bool // by RFC 6724 it would go before what IPv6's answer has
	resolutionDeadline time.Duration
	hasAddrs           bool  // there was one that gave addresses
	err                error // why there was none, or not all

	queue          [2][]group // what has not started, by family: IPv6, IPv4
	group          group      // the rest of one of which a part has started
	turn           int        // the family whose turn it is
	started        bool
	next           time.Duration // when the next group may start
	noAttemptDelay bool          // none waits for another: all are on links of this machine
	live           int           // candidates under way

	own, ownEnd *candidate    // those that it has started, in their order
	last        time.Duration // its last attempt

	srvLanes *tiers // what the target stands for, where that is targets again
}

// A group is addresses that start together: mostly one alone, but a link-local
// address goes to every link at once.
type group []Addr

// addr is the candidate that a is on l.
func (l *lane) addr(a netip.Addr) Addr {
	return Addr{AddrPort: netip.AddrPortFrom(a, l.target.Port), Proxy: l.proxy}
}

// add queues addrs as a group each.
func (l *lane) add(addrs ...Addr) {
	for _, a := range addrs {
		l.addGroup(group{a})
	}
}

func (l *lane) addGroup(g group) {
	f := 0
	if g[0].Addr().Is4() {
		f = 1
	}
	l.queue[f] = append(l.queue[f], g)
}

// remove takes those of addrs out of the queue.
func (l *lane) remove(addrs []netip.Addr) {
	if len(addrs) == 0 {
		return
	}
	for f := range l.queue {
		l.queue[f] = slices.DeleteFunc(l.queue[f], func(g group) bool { return len(g) == 1 && slices.Contains(addrs, g[0].Addr()) })
	}
}

// answered notes what a means for what l waits for.
func (l *lane) answered(a answer) {
	if !a.more {
		l.pendingLookups--
	}
	switch a.kind {
	case askAAAA: // what may come in the place of its addresses is not waited for
		l.awaitingAAAA = l.awaitingAAAA && a.more && len(a.addrs) == 0
	case askA:
		l.pendingA, l.awaitingA = a.more && len(a.addrs) == 0, false
	}
}

// adopt makes c one of those that l has started.
func (l *lane) adopt(c *candidate) {
	if l.own == nil {
		l.own = c
	} else {
		l.ownEnd.next = c
	}
	l.ownEnd = c
}

// due is when the next group of l may start.
func (l *lane) due() time.Duration {
	switch {
	case len(l.group) > 0:
		return 0
	case l.isEmpty():
		return never
	case !l.started && (l.awaitingAAAA || l.awaitingA):
		return l.resolutionDeadline
	}
	return l.next
}

// isEmpty reports whether l has no address that has not started.
func (l *lane) isEmpty() bool { return len(l.queue[0])+len(l.queue[1])+len(l.group) == 0 }

// over reports whether nothing more can come of l.
func (l *lane) over() bool {
	return l.pendingLookups == 0 && l.live == 0 && l.isEmpty() && (l.srvLanes == nil || l.srvLanes.over())
}

// take removes the address of l whose turn it is: the rest of the last group, and then
// the families alternate, IPv6 first, while both have addresses (RFC 8305 section 4).
func (l *lane) take() Addr {
	if len(l.group) == 0 {
		f := l.turn
		if len(l.queue[f]) == 0 {
			f = 1 - f
		}
		l.group = l.queue[f][0]
		l.queue[f] = l.queue[f][1:]
		l.turn = 1 - f
	}
	a := l.group[0]
	l.group = l.group[1:]
	return a
}

// queued yields every address of l that has not started.
func (l *lane) queued() iter.Seq[Addr] {
	return func(yield func(Addr) bool) {
		for _, q := range [...][]group{{l.group}, l.queue[0], l.queue[1]} {
			for _, g := range q {
				for _, a := range g {
					if !yield(a) {
						return
					}
				}
			}
		}
	}
}

// An tiers is lanes that start tier by tier: each gap after the one before it,
// or at once when all before it are over.
type tiers struct {
	gap      time.Duration
	lanes    [][]*lane
	finished int           // tiers[:gone] are over, and stay so
	started  int           // tiers[:open] have started
	last     time.Duration // when the last of those did
	next     time.Duration // when the next one may
}

// start opens the tiers whose time has come, and returns their lanes.
func (o *tiers) start(now time.Duration) (opened []*lane) {
	for o.started < len(o.lanes) && (o.next <= now || o.overTo(o.started)) {
		for _, l := range o.lanes[o.started] {
			l.next = now
			opened = append(opened, l)
		}
		o.started++
		o.last = now
		o.next = now + o.gap
	}
	return opened
}

// drop takes out the lanes that have not started, and returns them.
func (o *tiers) drop() (lanes []*lane) {
	for _, tier := range o.lanes[o.started:] {
		lanes = append(lanes, tier...)
	}
	o.lanes = o.lanes[:o.started:o.started]
	o.finished = min(o.finished, o.started)
	return lanes
}

func (o *tiers) due() time.Duration {
	switch {
	case o.started == len(o.lanes):
		return never
	case o.overTo(o.started):
		return 0 // they had nothing of their own to try
	}
	return o.next
}

func (o *tiers) over() bool { return o.overTo(len(o.lanes)) }

// overTo reports whether all lanes of tiers[:n] are over. What it has seen to be
// over it does not look at again.
func (o *tiers) overTo(n int) bool {
	for ; o.finished < n; o.finished++ {
		for _, l := range o.lanes[o.finished] {
			if !l.over() {
				return false
			}
		}
	}
	return true
}
