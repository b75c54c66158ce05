package engine

import "slices"

// What a race tells of itself: its winner, its events, and what became of every
// candidate where nobody won.

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

// candidate is what a connects to, and how.
func (r *race) candidate(a *attempt) Candidate {
	return Candidate{Target: a.lanes[0].target, Addr: a.addr, Interface: r.via(a), Transport: r.name(a)}
}

func (r *race) report(e Event) {
	if r.Report != nil {
		e.At = r.sys.Now()
		r.Report(e)
	}
}

// event is one of a.
func (r *race) event(k EventKind, a *attempt, err error) Event {
	return Event{Kind: k, Candidate: r.candidate(a), Attempt: a.tries, Err: err}
}

// reportConnected reports, once, that a has connected.
func (r *race) reportConnected(a *attempt) {
	if !a.connected {
		a.connected = true
		r.report(r.event(Connected, a, nil))
	}
}

// failure is a Failure, and the attempt that it is of, if it is of one: later
// targets may still lead to its address.
type failure struct {
	Failure
	attempt *attempt
}

// recordFailure notes, and reports, the failure of what is no attempt.
func (r *race) recordFailure(f Failure) {
	f.At = r.sys.Now()
	r.failures = append(r.failures, failure{f, nil})
	end := Failed
	if f.Family != AnyFamily {
		end = Cancelled
	}
	r.report(Event{Kind: end, Candidate: f.Candidate, Family: f.Family, Err: f.Err})
}

func (r *race) recordAttempt(a *attempt, err error) {
	f := Failure{Candidate: r.candidate(a), Attempts: a.tries, Err: err, At: r.sys.Now()}
	r.failures = append(r.failures, failure{f, a})
}

// allFailures returns the failures at the end of the race.
func (r *race) allFailures() (list []Failure) {
	for _, f := range r.failures {
		if f.attempt != nil {
			for _, l := range f.attempt.lanes[1:] {
				if l.target != f.Target && !slices.Contains(f.Also, l.target) { // a service may be a target as well
					f.Also = append(f.Also, l.target)
				}
			}
		}
		list = append(list, f.Failure)
	}
	return list
}
