package engine

import (
	"slices"
	"time"
)

// later is an attempt whose next try was put off until at.
type later struct {
	*attempt
	at time.Duration
}

// A round is one pass over all attempts that may be due, in four stages: tries that were put
// off; other transports and interfaces of addresses that have started; new addresses; and
// addresses that are silent.
type round struct {
	stage   int
	pos     int        // index in the list of the stage
	left    int        // entries from pos on that were there when the stage began
	repeats []*attempt // attempts to repeat before the next entry
}

// rewind starts a new round.
func (s *schedule) rewind() { s.round = round{left: len(s.later)} }

// next returns an attempt that is due at now, or nil if there is none left in this
// round. The caller starts it before it calls next again, and calls failed at once if it
// fails there and then, or putBack if there is no descriptor for it.
func (s *schedule) next(now time.Duration) *attempt {
	if a := s.blocked; a != nil {
		s.blocked = nil
		return a
	}
	stages := [...]func(time.Duration) *attempt{s.nextLater, s.nextPending, s.nextAddress, s.nextSilent}
	for r := &s.round; r.stage < len(stages); r.stage++ {
		if a := stages[r.stage](now); a != nil {
			return a
		}
		r.pos, r.left = 0, len(s.pending)
		if r.stage == 1 {
			s.openLanes(now)
		}
	}
	return nil
}

// putBack makes the next call of next return a again.
func (s *schedule) putBack(a *attempt) { s.blocked = a }

// nextLater returns an attempt that again has put off until now.
func (s *schedule) nextLater(now time.Duration) *attempt {
	for r := &s.round; r.left > 0 && r.pos < len(s.later); r.left-- {
		a := s.later[r.pos]
		over := a.ended || a.fd >= 0 // it has ended or connected in the meantime
		if !over && a.at > now {
			r.pos++
			continue
		}
		if !over && s.isEager(a.candidate, a.transport) {
			if now < s.nextEager {
				s.later[r.pos].at = s.nextEager
				r.pos++
				continue
			}
			s.nextEager = now + eagerGap
		}
		s.later = slices.Delete(s.later, r.pos, r.pos+1)
		if !over {
			r.left--
			return a.attempt
		}
	}
	return nil
}

// nextPending returns an attempt at an address by its next transport, or from another
// interface. If the transport before is silent, its attempts are repeated first.
func (s *schedule) nextPending(now time.Duration) *attempt {
	for r := &s.round; ; {
		if a := s.nextRepeat(now); a != nil {
			return a
		}
		if r.left == 0 {
			return nil
		}
		c := s.pending[r.pos]
		if c.due > now || s.tooSoon(c, now) {
			r.pos++
			r.left--
			continue
		}
		if c.last != nil && c.rounds == 0 && !s.noRetry && !(s.banner && s.isEager(c, c.last.transport)) && s.repeat(c, now) {
			continue // c has its turn after the repeats
		}
		s.pending = slices.Delete(s.pending, r.pos, r.pos+1)
		r.left--
		return s.attempt(c, now)
	}
}

// nextAddress returns the first attempt at a new address.
func (s *schedule) nextAddress(now time.Duration) *attempt {
	for r := &s.round; r.pos < len(s.open); r.pos++ {
		for l := s.open[r.pos]; l.due() <= now; {
			a := l.take()
			at := now
			if b, ok := s.startedSockets[a.AddrPort]; ok {
				at = b.At
			}
			c := s.addCandidate(l, a, at)
			switch {
			case c == nil:
			case s.tooSoon(c, now):
				s.pending = append(s.pending, c)
			default:
				return s.attempt(c, at)
			}
		}
	}
	return nil
}

// nextSilent returns another try of an attempt that nobody has answered.
func (s *schedule) nextSilent(now time.Duration) *attempt {
	for r := &s.round; ; r.pos++ {
		if a := s.nextRepeat(now); a != nil {
			return a
		}
		if r.pos >= len(s.open) {
			return nil
		}
		if l := s.open[r.pos]; s.retryDue(l) <= now {
			s.repeat(l.silent(s.transports), now)
		}
	}
}
