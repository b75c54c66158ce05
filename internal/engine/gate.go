package engine

import (
	"slices"
	"time"
)

// From OpenSSH 9.8 on sshd counts each connection that does not log in, and
// refuses an address that has made too many (PerSourcePenalties). So a server is
// to see one connection of a race, and all addresses of a race may be of one
// server. What it sees is a handshake that is complete, which it is with the
// client's ACK. Where that can be held back, a connection is reset before, and
// the server's accept(2) never returns it.
//
// Without a banner that is all: the first to connect wins, and its ACK is sent
// when the others are closed. With one, the connection that has its turn is
// acknowledged and has one Delay to speak. The others wait for that: those that
// have connected unacknowledged, those that have not begun at all.

// A gate lets the connections of a race through to their servers, one by one.
type gate struct {
	turn    *attempt      // the last that was shown to its server, and has not spoken
	until   time.Duration // when the next has its turn, if turn has not ended before
	quiet   time.Duration // until then nothing is begun, if turn has not ended before
	awaited []*attempt    // another process checks their host keys
	held    []*attempt    // connected and unacknowledged, in the order of their answers
}

const (
	// ackDelay is how long the kernel holds an ACK back (TCP_DELACK_MAX), and
	// ackRenew when an attempt that has to wait longer is reset and begun anew: the
	// rest is for a busy machine.
	ackDelay = 200 * time.Millisecond
	ackRenew = 150 * time.Millisecond

	// These bound grace.
	minGrace = 10 * time.Millisecond
	maxGrace = 50 * time.Millisecond

	// maxHandshake bounds what a slow handshake adds to its attempt's turn.
	maxHandshake = time.Second
)

// holds reports whether the server does not see a connection of a before the
// race has it do so.
func (r *race) holds(a *attempt) bool {
	if a.addr.hasHandshake() {
		return true // it is not asked for it
	}
	return holdsAck && !a.addr.isSocket() && !r.transports[a.transport].EagerACK
}

// closed reports whether nothing may be begun at now.
func (g *gate) closed(now time.Duration) bool { return g.turn != nil && now < g.quiet }

// waitUntil is when a, which has connected, may be shown to its server.
func (r *race) waitUntil(a *attempt) (until time.Duration) {
	if r.gate.turn != nil && r.gate.turn != a && r.holds(a) { // or else it has been seen
		until = r.gate.until
	}
	if grace := r.grace(a); grace > 0 {
		until = max(until, a.answered+grace)
	}
	return until
}

// grace is how long a waits for an attempt at its address by a transport before its
// own, which has been repeated together with a's beginning: as long as a's
// handshake took, within bounds. An answer means that a packet was lost, silence
// that something on the way drops that transport.
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

// repeatBefore repeats the attempts at a's address by eager transports before a's, now
// that a has connected and they have not. With a banner to wait for they were not
// repeated when a began: where not a packet was lost but the server is slow, it would
// answer both tries, and see two connections.
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

// hold has a wait with its ACK unsent.
func (r *race) hold(a *attempt) {
	r.sys.Hold(a.fd)
	r.gate.held = append(r.gate.held, a)
	r.reportConnected(a)
}

// admit shows a to its server, if that must be for it to win.
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
		if !a.check.waits {
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

// win takes a as the winner. The others are closed before anything else: those
// that have connected meanwhile are not to be acknowledged.
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

// show notes that the server of a sees it, and is silent. It has one Delay, and
// as long as an answer takes to come.
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
	r.schedule.pause(r.gate.quiet)
	for _, b := range r.attempts {
		if b.pending() && !r.holds(b) && b.addr.Command == nil { // it would be seen as soon as it is answered
			r.closeTries(b)
			b.discarded = b.tries
			r.schedule.again(b, 0)
			b.lanes[0].last = r.gate.quiet
		}
	}
}

// pause notes that nothing is begun before until. It does not count as a part of
// the delay that c waits at most for its gap.
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

// leave takes a out of the gate.
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

// admitHeld admits those whose wait is over at now, in their order.
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

// renew resets those that are held for longer than the kernel holds an ACK. They begin
// anew when the turn of the one that they wait for is almost over: as much before its
// end as a handshake takes.
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
		r.schedule.again(a, 0) // not while the gate is closed
	}
}

func (r *race) renewAt(a *attempt) time.Duration {
	switch {
	case r.NoRetry || r.schedule.blocked != nil:
		return never
	case r.waitUntil(a) <= a.answered+ackDelay:
		return never
	}
	return a.answered + ackRenew
}

// gateDue is when the gate has something to do, unless news comes first.
func (r *race) gateDue() time.Duration {
	due := never
	for _, a := range r.gate.held {
		due = min(due, r.waitUntil(a), r.renewAt(a))
	}
	return due
}
