package engine

import "errors"

// A race that goes on when it is won, to show what would have become of the
// rest. No server is to see more of it than of the same race that ends.

// ErrSeen is why a race that RunAll has go on gives an attempt up: it cannot
// connect, as others can, without the server seeing it.
var ErrSeen = errors.New("given up: the server would see a second connection")

// winRunAll takes a as the winner, and resets it. Without a banner its server
// has not seen it.
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

// cancel ends b, as the race is won: it has connected if why is nil.
func (r *race) cancel(b *attempt, why error) {
	if why == nil {
		r.reportConnected(b)
	}
	r.closeTries(b)
	r.end(b, Cancelled, why)
}

func (r *race) end(a *attempt, how EventKind, why error) {
	a.ended = true
	r.schedule.ready(a)
	r.report(r.event(how, a, why))
}

// skip has a's next transport take its place, as the race is won and a server
// would see a.
func (r *race) skip(a *attempt) {
	a.ended = true
	r.schedule.failed(a, r.sys.Now(), true)
	if a.finished {
		r.report(Event{Kind: Failed, Candidate: Candidate{Target: a.lanes[0].target, Addr: a.addr}, Err: ErrNotTried})
	}
}
