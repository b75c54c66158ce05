package engine

import "errors"

// This file has a race that continues after it is won, to show what becomes of the other
// candidates (Dialer.RunAll). No server may see more connections than without that.

// ErrSeen marks an attempt that a race with Dialer.RunAll has given up, as its server would
// see it.
var ErrSeen = errors.New("given up: the server would see a second connection")

// winRunAll makes a the winner and resets it. Without Dialer.Banner its server has not seen
// it.
func (r *race) winRunAll(a *attempt) {
	r.reportConnected(a)
	r.won = r.winner(a)
	r.schedule.noRetry = true
	r.closeTries(a)
	r.end(a, Won, nil)
	for _, b := range r.attempts {
		switch {
		case b.ended || b.tries == 0:
		case b.check.runs:
			r.cancel(b, ErrUnchecked)
		case b.shown:
			r.cancel(b, ErrNoBanner)
		case b.talk != nil:
			r.cancel(b, ErrNoReply)
		case b.fd >= 0:
			r.cancel(b, nil)
		case !r.holds(b):
			r.cancel(b, ErrSeen)
		}
	}
}

// cancel ends b because the race is won. If why is nil, b has connected.
func (r *race) cancel(b *attempt, why error) {
	if why == nil {
		r.reportConnected(b)
	}
	r.closeTries(b)
	r.end(b, Cancelled, why)
}

// end ends a in a race that continues.
func (r *race) end(a *attempt, how EventKind, why error) {
	a.ended = true
	r.schedule.ready(a)
	r.report(r.event(how, a, why))
}

// skip replaces a by the next transport, because the race is won and a server would see a.
func (r *race) skip(a *attempt) {
	a.ended = true
	r.schedule.failed(a, r.sys.Now(), true)
	if a.finished {
		r.report(Event{Kind: Failed, Candidate: Candidate{Target: a.lanes[0].target, Addr: a.addr}, Err: ErrNotTried})
	}
}
