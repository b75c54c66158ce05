package engine

import (
	"iter"
	"slices"
	"time"
)

// lookups owns the questions of a race: it asks the system, and records which questions are
// pending. What an answer means for its lane is up to race.answered.
type lookups struct {
	sys     system
	asked   []question                 // for lanes, in the order in which they were asked
	pending map[question]time.Duration // when each was asked, or provisional
	repeats bool                       // a question may be asked again when it has an answer
	stopped bool
}

// provisional is the value in pending of a lookup that has an answer which may still be
// replaced.
const provisional time.Duration = -1

// ask records that q is asked for its lane. It returns false if q is pending already.
func (s *lookups) ask(q question) bool {
	if s.isPending(q) {
		return false
	}
	if !s.repeats || !slices.Contains(s.asked, q) {
		s.asked = append(s.asked, q)
	}
	return true
}

// start hands q to the system.
func (s *lookups) start(q question) {
	if s.pending == nil { // a race of literals needs none
		s.pending = map[question]time.Duration{}
	}
	s.pending[q] = s.sys.Now()
	s.sys.Lookup(q)
}

func (s *lookups) isPending(q question) bool {
	_, ok := s.pending[q]
	return ok
}

// take records an answer. It returns false if nothing waits for it any more.
func (s *lookups) take(a answer) bool {
	if s.stopped || !s.isPending(a.question) {
		return false
	}
	switch {
	case !a.more:
		delete(s.pending, a.question)
	case a.hasResult():
		s.pending[a.question] = provisional
	}
	return true
}

// unanswered yields the questions for lanes that have no answer, and when each was asked.
func (s *lookups) unanswered() iter.Seq2[question, time.Duration] {
	return func(yield func(question, time.Duration) bool) {
		for _, q := range s.asked {
			if since, ok := s.pending[q]; ok && since != provisional && !yield(q, since) {
				return
			}
		}
	}
}

// abandon ends the lookups for a lane.
func (s *lookups) abandon(lane int) {
	for q := range s.pending {
		if q.lane == lane && q.kind != askNAT64 {
			_ = s.sys.Abandon(q)
			delete(s.pending, q)
		}
	}
}

// reset ends all lookups.
func (s *lookups) reset() {
	for q := range s.pending {
		_ = s.sys.Abandon(q)
	}
	s.asked, s.pending = nil, nil
}

// stop forgets all lookups: take returns false from now on.
func (s *lookups) stop() { s.asked, s.pending, s.stopped = nil, nil, true }
