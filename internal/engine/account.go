package engine

import (
	"fmt"
	"slices"
)

// This file has what a race reports: its winner, its events, and the failures of a race that
// nobody won.

// winner returns a as the Winner.
func (r *race) winner(a *attempt) *Winner {
	w := &Winner{
		FD:        a.fd,
		Candidate: r.candidate(a),
		Elapsed:   r.sys.Now(),
		Tried:     r.schedule.tried(),
		Known:     r.schedule.size(),
		Attempt:   a.number,
		Attempts:  a.tries,
		Lost:      a.number > a.discarded+1,
	}
	if r.RunAll {
		w.FD = -1
	}
	for _, b := range r.attempts {
		if b.candidate != a.candidate || b.transport >= a.transport {
			continue
		}
		err := b.err
		switch {
		case err != nil:
		case b.connected:
			err = ErrNoBanner
		default:
			err = ErrNoAnswer
		}
		w.Before = append(w.Before, Failure{Candidate: r.candidate(b), Attempts: b.tries, Err: err})
	}
	return w
}

// candidate returns what a connects to, and how.
func (r *race) candidate(a *attempt) Candidate {
	return Candidate{Target: a.lanes[0].target, Addr: a.addr, Interface: r.via(a), Transport: r.name(a)}
}

// report calls Dialer.Report with e at the current time.
func (r *race) report(e Event) {
	if r.Report != nil {
		e.At = r.sys.Now()
		r.Report(e)
	}
}

// event returns an event of a.
func (r *race) event(k EventKind, a *attempt, err error) Event {
	return Event{Kind: k, Candidate: r.candidate(a), Attempt: a.tries, Err: err}
}

// reportConnected reports that a has connected, once.
func (r *race) reportConnected(a *attempt) {
	if !a.connected {
		a.connected = true
		r.report(r.event(Connected, a, nil))
	}
}

// failure is a Failure and its attempt, which is nil if there was none. Other targets may
// lead to the attempt's address later.
type failure struct {
	Failure
	attempt *attempt
}

// recordFailure records and reports the failure of an address or target without an attempt.
func (r *race) recordFailure(f Failure) {
	f.At = r.sys.Now()
	r.failures = append(r.failures, failure{f, nil})
	end := Failed
	if f.Family != AnyFamily {
		end = Cancelled
	}
	r.report(Event{Kind: end, Candidate: f.Candidate, Family: f.Family, Err: f.Err})
}

// recordAttempt records the failure of a, whose event the caller reports.
func (r *race) recordAttempt(a *attempt, err error) {
	f := Failure{Candidate: r.candidate(a), Attempts: a.tries, Err: err, At: r.sys.Now()}
	r.failures = append(r.failures, failure{f, a})
}

// allFailures returns Error.Failures.
func (r *race) allFailures() (list []Failure) {
	for _, f := range r.failures {
		if f.attempt != nil {
			for _, l := range f.attempt.lanes[1:] {
				if l.target != f.Target && !slices.Contains(f.Also, l.target) { // an SRV record may name a target
					f.Also = append(f.Also, l.target)
				}
			}
		}
		list = append(list, f.Failure)
	}
	return list
}

// awaits returns the error that says what a, which has connected, is waiting for, or nil.
func (a *attempt) awaits() error {
	switch {
	case a.talk != nil && !a.talk.done:
		return ErrNoReply
	case a.check.runs:
		return ErrUnchecked
	case a.check.awaited != nil:
		return a.check.awaited
	case a.shown:
		return ErrNoBanner
	case a.fd >= 0 && a.addr.Proxy == nil:
		return ErrNotAsked
	}
	return nil
}

// clear closes everything that is pending, commands only if commands is set. If nobody has
// won, it records a failure for everything that has not failed yet.
func (r *race) clear(cause error, commands bool) {
	for _, a := range r.attempts {
		if a.ended || a.tries == 0 || a.addr.Command != nil && !commands {
			continue
		}
		awaits := a.awaits()
		if r.won == nil || r.RunAll {
			r.closeTries(a)
		}
		why := cause
		switch {
		case cause != nil && awaits != nil:
			why = fmt.Errorf("%w: %w", awaits, cause)
		case cause != nil && a.was != nil && r.sys.Now() < a.lastBegan+retryInterval:
			why = a.was
		case cause != nil && a.err != nil:
			why = fmt.Errorf("%w: %w", a.err, cause)
		}
		a.ended = true
		r.report(r.event(Cancelled, a, why))
		if why != nil {
			r.recordAttempt(a, why)
		}
	}
	if cause == nil {
		return
	}
	why := ErrNotTried
	if a := r.schedule.blocked; a != nil && a.tries == 0 && (a.addr.Command == nil || commands) {
		why = fmt.Errorf("not tried: %w", r.blockedErr)
		r.recordAttempt(a, why)
		r.report(Event{Kind: Failed, Candidate: Candidate{Target: a.lanes[0].target, Addr: a.addr}, Err: why})
	}
	for l, addr := range r.schedule.left(commands) {
		r.recordFailure(Failure{Candidate: Candidate{Target: l.target, Addr: addr}, Err: why})
	}
	for _, l := range r.schedule.lanes {
		if !notFound(l.err) { // not reported yet, as another lookup of l is pending
			r.recordFailure(Failure{Candidate: Candidate{Target: l.target}, Err: l.err})
		}
	}
	for q := range r.lookups.unanswered() {
		err := cause
		if known := r.sys.Abandon(q); known != nil {
			err = fmt.Errorf("%w: %w", known, cause)
		}
		r.recordFailure(Failure{Candidate: Candidate{Target: r.schedule.lanes[q.lane].target}, Family: q.kind.family(), Err: err})
	}
}
