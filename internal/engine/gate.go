package engine

import (
	"slices"
	"time"
)

// Since OpenSSH 9.8, sshd penalizes each connection that does not log in, and refuses an
// address with too many penalties (PerSourcePenalties in sshd_config(5)). So a server should
// see one connection of a race; and all addresses of a race may belong to one server. A
// server sees a connection when the client's ACK completes the handshake. Where the race can
// hold the ACK back, it resets a loser before that, and the server's accept(2) never returns
// it.
//
// Without Dialer.Banner that is all: the first attempt to connect wins, and its ACK is sent
// after the others are closed. With it, one connection at a time has its turn: its ACK is
// sent, and its server has one Delay to send a banner. Meanwhile other connections wait
// without an ACK, and no attempt starts.
//
// A server where many clients log in at once, and sshd starts a process for each, takes
// longer for its banner. If the race went on to the next address, the server would see another
// connection, have even more to do, and penalize this client. So a server that has
// answered other connections of this machine meanwhile has another Delay. One that is
// silent, or behind something that is silent, has answered none.

// A gate decides which connections their servers may see.
type gate struct {
	turn    *attempt      // the last one that its server has seen, and that has no banner yet
	until   time.Duration // when the next one has its turn, unless turn ends before
	quiet   time.Duration // no attempt starts before this, unless turn ends before
	latest  time.Duration // turn is not extended from then on
	awaited []*attempt    // HostKeyCheck.Known will be called again
	held    []*attempt    // connected without an ACK, in the order in which they connected
}

const (
	// ackDelay is how long the kernel delays an ACK (TCP_DELACK_MAX). An attempt that
	// has to wait longer is reset after ackRenew; the difference is for a busy
	// machine.
	ackDelay = 200 * time.Millisecond
	ackRenew = 100 * time.Millisecond

	// maxTurn bounds a turn, in Delays.
	maxTurn = 10

	// minGrace and maxGrace bound grace.
	minGrace = 10 * time.Millisecond
	maxGrace = 50 * time.Millisecond

	// maxHandshake bounds the time that a slow handshake adds to a turn.
	maxHandshake = time.Second
)

// holds reports whether the race decides when the server sees a connection of a.
func (r *race) holds(a *attempt) bool {
	if a.addr.hasHandshake() {
		return true // a proxy has not been asked for the server yet
	}
	return holdsAck && !a.addr.isSocket() && !r.transports[a.transport].EagerACK
}

// closed reports whether no attempt may start at now.
func (g *gate) closed(now time.Duration) bool { return g.turn != nil && now < g.quiet }

// waitUntil returns when the server of a, which has connected, may see it.
func (r *race) waitUntil(a *attempt) (until time.Duration) {
	if r.gate.turn != nil && r.gate.turn != a && r.holds(a) { // else the server has seen it already
		until = r.gate.until
	}
	if grace := r.grace(a); grace > 0 {
		until = max(until, a.answered+grace)
	}
	return until
}

// grace returns how long a, which has connected, waits for a pending attempt at its address
// by a transport before its own, which is preferred and was repeated: as long as the
// handshake of a took, within bounds. If that attempt is answered, a packet was lost; if it
// is not, the network drops that transport.
func (r *race) grace(a *attempt) time.Duration {
	if r.NoRetry {
		return 0
	}
	for b := a.before; b != nil; b = b.before {
		if b.pending() {
			return max(minGrace, min(a.handshake, maxGrace))
		}
	}
	return 0
}

// repeatBefore repeats the pending attempts at the address of a by eager transports before
// its own, now that a has connected. With Dialer.Banner they were not repeated when a
// started: if the server was slow and no packet was lost, it would answer both tries, and
// see two connections.
func (r *race) repeatBefore(a *attempt) {
	if r.NoRetry || r.Banner == "" {
		return
	}
	for b := a.before; b != nil; b = b.before {
		if b.pending() && !r.holds(b) && b.open[b.n-1].began < a.answered-a.handshake {
			r.schedule.again(b, a.answered)
		}
	}
}

// hold makes a wait without an ACK.
func (r *race) hold(a *attempt) {
	r.sys.Hold(a.fd)
	r.gate.held = append(r.gate.held, a)
	r.reportConnected(a)
}

// admit makes a the winner if it has passed all checks. With Dialer.Banner its server sees it
// first.
func (r *race) admit(a *attempt) (over bool) {
	t := &r.transports[a.transport]
	var err error
	if !a.shown {
		err = r.sys.Verify(t, a.fd)
	}
	if err == nil && r.won != nil {
		r.cancel(a, nil)
		return false
	}
	if err == nil {
		err = r.checkHostKey(a)
	}
	if err == nil && r.Banner != "" {
		err = r.sys.Look(t, a.fd)
	}
	switch err {
	case nil:
		r.win(a)
		return !r.RunAll
	case errNotYet, errHalf:
		if a.check.awaited == nil {
			r.show(a)
		}
		if err == errHalf {
			r.peekLater(a)
		}
		return false
	}
	r.reportConnected(a)
	r.failed(a, err)
	return false
}

// win makes a the winner. It closes the others before anything else, so that the kernel does
// not acknowledge those that have connected in the meantime.
func (r *race) win(a *attempt) {
	if r.RunAll {
		r.winRunAll(a)
		return
	}
	for _, b := range r.attempts {
		for _, t := range b.open[:b.n] {
			if t.fd != a.fd {
				r.sys.Close(&r.transports[b.transport], t.fd)
			}
		}
	}
	r.sys.Finish(a.fd)
	clear(r.byFD)
	r.reportConnected(a)
	r.won = r.winner(a)
	a.ended = true
	r.report(r.event(Won, a, nil))
}

// show records that the server of a has seen it, and has sent no banner. Its turn lasts for
// one Delay and one round trip.
func (r *race) show(a *attempt) {
	r.reportConnected(a)
	if a.shown {
		return
	}
	a.shown = true
	now := r.sys.Now()
	r.gate.turn = a
	r.gate.quiet = now + r.schedule.delay
	r.gate.until = r.gate.quiet + min(a.handshake, maxHandshake)
	r.gate.latest = now + maxTurn*r.schedule.delay
	r.schedule.pause(r.gate.quiet)
	for _, b := range r.attempts {
		if b.pending() && !r.holds(b) && b.addr.Command == nil { // its server would see it as soon as it answers
			r.closeTries(b)
			b.discarded = b.tries
			r.schedule.again(b, 0)
			b.lanes[0].last = r.gate.quiet
		}
	}
}

// extendTurn adds a Delay to the turn, if that is over and the server has answered others
// since it began or was extended.
func (r *race) extendTurn(now time.Duration) {
	g := &r.gate
	delay := r.schedule.delay
	if g.turn == nil || !g.turn.shown || g.turn.check.runs || now < g.quiet || now >= g.latest {
		return
	}
	if !r.sys.AnswersOthers(g.turn.fd, g.quiet-delay) {
		g.latest = now
		return
	}
	g.until += now + delay - g.quiet
	g.quiet = now + delay
	r.schedule.pause(g.quiet)
}

// pause records that no attempt starts before until. This time does not count towards the
// one delay for which tooSoon may put a candidate off.
func (s *schedule) pause(until time.Duration) {
	for _, c := range s.pending {
		if c.latest > 0 {
			c.latest = until + s.delay
			if c.last == nil {
				c.delayNext(until + s.delay)
			}
		}
	}
}

// leave removes a from the gate, and from the proxies that are ready.
func (r *race) leave(a *attempt) {
	if r.gate.turn == a {
		r.gate.turn = nil
	}
	if i := slices.Index(r.gate.held, a); i >= 0 {
		r.gate.held = slices.Delete(r.gate.held, i, i+1)
	}
	if i := slices.Index(r.gate.awaited, a); i >= 0 {
		r.gate.awaited = slices.Delete(r.gate.awaited, i, i+1)
	}
	if i := slices.Index(r.proxies.ready, a); i >= 0 {
		r.proxies.ready = slices.Delete(r.proxies.ready, i, i+1)
	}
}

// admitHeld admits those of held whose wait is over, in order.
func (r *race) admitHeld(now time.Duration) (over bool) {
	for i := 0; i < len(r.gate.held); {
		a := r.gate.held[i]
		if r.waitUntil(a) > now {
			i++
			continue
		}
		r.leave(a)
		if over := r.admit(a); over {
			return true
		}
		i = 0
	}
	return false
}

// renew resets those of held that would have to wait for longer than the kernel delays an
// ACK. They start again when the gate opens, one round trip before their turn.
func (r *race) renew(now time.Duration) {
	for i := 0; i < len(r.gate.held); {
		a := r.gate.held[i]
		if r.renewAt(a) > now {
			i++
			continue
		}
		r.leave(a)
		r.close(a, a.fd)
		a.fd, a.discarded = -1, a.tries
		a.lanes[0].last = max(now, r.gate.quiet)
		r.schedule.again(a, 0) // when the gate opens
	}
}

// renewAt returns when renew resets a.
func (r *race) renewAt(a *attempt) time.Duration {
	if r.NoRetry || r.schedule.blocked != nil || r.waitUntil(a) <= a.answered+ackDelay {
		return never
	}
	return a.answered + ackRenew
}

// gateDue returns when the gate has something to do, unless an event comes first.
func (r *race) gateDue() time.Duration {
	due := never
	for _, a := range r.gate.held {
		due = min(due, r.waitUntil(a), r.renewAt(a))
	}
	return due
}
