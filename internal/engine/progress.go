package engine

import "time"

// Dialer.OnProgress is called after tickAfter, and then every tickEvery.
const (
	tickAfter = 500 * time.Millisecond
	tickEvery = 100 * time.Millisecond
)

// A Progress describes a race that goes on.
type Progress struct {
	At   time.Duration // since the race began
	Left time.Duration // until the time is out; 0 if it is, and only commands go on

	// Trying has the pending lookups and then the pending attempts, each as its
	// Resolve or first Start event.
	Trying []Event

	// Waiting has the candidates and names that will be tried again, each as its last
	// Failed event.
	Waiting []Event
}

func (r *race) progress(now time.Duration) Progress {
	p := Progress{At: now, Left: r.timeout - now}
	if r.timeout == never {
		p.Left = 0
	}
	for q, since := range r.lookups.unanswered() {
		p.Trying = append(p.Trying, Event{At: since, Kind: Resolve, Candidate: Candidate{Target: r.schedule.lanes[q.lane].target}, Family: q.kind.family()})
	}
	for _, a := range r.attempts {
		if !a.ended && a.tries > 0 {
			e := r.event(Start, a, nil)
			e.At = a.began
			p.Trying = append(p.Trying, e)
		}
	}
	for _, w := range r.wait.attempts {
		p.Waiting = append(p.Waiting, r.event(Failed, w.what, w.what.err))
	}
	for _, f := range r.failures {
		if f.attempt == nil && len(r.wait.lanes) > 0 {
			p.Waiting = append(p.Waiting, Event{Kind: Failed, Candidate: f.Candidate, Err: f.Err})
		}
	}
	return p
}
