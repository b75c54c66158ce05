package engine

import (
	"iter"
	"net/netip"
	"slices"
	"time"
)

// A lane is the part of a race for one target: a queue of its addresses, and the time at
// which the next one may start. All times are since the race began.
type lane struct {
	target  Target
	proxy   *Proxy   // if not nil, target is its server
	command *Command // if not nil, it connects to target
	index   int      // in schedule.lanes
	listed  bool     // it is not one of another lane's srvLanes

	lastAsked time.Duration // when its last lookup started

	// The first attempt waits for the answers that are awaited, until
	// resolutionDeadline (RFC 8305 section 3).
	pendingLookups     int // questions without a final answer
	awaitingAAAA       bool
	pendingA           bool // the A lookup has no answer yet
	awaitingA          bool // an IPv4 address would precede those of the AAAA answer (RFC 6724)
	resolutionDeadline time.Duration
	hasAddrs           bool  // an answer had addresses
	rejected           bool  // an answer had addresses that no host can have
	err                error // of a lookup that has failed

	queue          [2][]group // addresses that have not started, by family: IPv6, IPv4
	group          group      // the rest of a group that has started in part
	turn           int        // the family whose turn it is
	started        bool
	next           time.Duration // when the next group may start
	noAttemptDelay bool          // addresses do not wait for each other: all are on links of this machine
	live           int           // candidates that may still win

	own, ownEnd *candidate    // the first and the last of the candidates that this lane has started
	last        time.Duration // when its last attempt started

	srvLanes *tiers // the targets of an SRV record, or nil
}

// A group is a list of addresses that start together: a link-local address is tried on
// every link at once. Most groups have one address.
type group []Addr

// addr returns a as an address of l.
func (l *lane) addr(a netip.Addr) Addr {
	return Addr{AddrPort: netip.AddrPortFrom(a, l.target.Port), Proxy: l.proxy}
}

// add queues each of addrs as a group.
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

// remove takes addrs out of the queue.
func (l *lane) remove(addrs []netip.Addr) {
	if len(addrs) == 0 {
		return
	}
	for f := range l.queue {
		l.queue[f] = slices.DeleteFunc(l.queue[f], func(g group) bool { return len(g) == 1 && slices.Contains(addrs, g[0].Addr()) })
	}
}

// answered updates what l is waiting for.
func (l *lane) answered(a answer) {
	if !a.more {
		l.pendingLookups--
	}
	switch a.kind {
	case askAAAA: // l does not wait for another answer in place of its addresses
		l.awaitingAAAA = l.awaitingAAAA && a.more && len(a.addrs) == 0
	case askA:
		l.pendingA, l.awaitingA = a.more && len(a.addrs) == 0, false
	}
}

// adopt adds c to the candidates that l has started.
func (l *lane) adopt(c *candidate) {
	if l.own == nil {
		l.own = c
	} else {
		l.ownEnd.next = c
	}
	l.ownEnd = c
}

// due returns when the next address of l may start.
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

// over reports whether l cannot win any more.
func (l *lane) over() bool {
	return l.pendingLookups == 0 && l.live == 0 && l.isEmpty() && (l.srvLanes == nil || l.srvLanes.over())
}

// take removes the address of l whose turn it is. Families alternate while both have
// addresses (RFC 8305 section 4); a group is not interrupted.
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

// tiers are lanes that start tier by tier: each tier gap after the one before it, or at once
// when all lanes before it are over.
type tiers struct {
	gap      time.Duration
	lanes    [][]*lane
	finished int           // lanes[:finished] were over when last seen
	started  int           // lanes[:started] have started
	last     time.Duration // when the last of those started
	next     time.Duration // when the next one may start
}

// start starts the tiers whose time has come, and appends their lanes to open.
func (t *tiers) start(now time.Duration, open []*lane) []*lane {
	for t.started < len(t.lanes) && (t.next <= now || t.overTo(t.started)) {
		for _, l := range t.lanes[t.started] {
			l.next = now
			open = append(open, l)
		}
		t.started++
		t.last = now
		t.next = now + t.gap
	}
	return open
}

// drop removes the lanes that have not started, and returns them.
func (t *tiers) drop() (lanes []*lane) {
	for _, tier := range t.lanes[t.started:] {
		lanes = append(lanes, tier...)
	}
	t.lanes = t.lanes[:t.started:t.started]
	t.finished = min(t.finished, t.started)
	return lanes
}

func (t *tiers) due() time.Duration {
	switch {
	case t.started == len(t.lanes):
		return never
	case t.overTo(t.started):
		return 0
	}
	return t.next
}

func (t *tiers) over() bool { return t.overTo(len(t.lanes)) }

// overTo reports whether all of lanes[:n] are over. It does not look again at those that it
// has seen to be over.
func (t *tiers) overTo(n int) bool {
	for ; t.finished < n; t.finished++ {
		for _, l := range t.lanes[t.finished] {
			if !l.over() {
				return false
			}
		}
	}
	return true
}
