package stub

import "time"

// A Health is what the lookups of one race have found out about the servers of
// their Config. The zero value knows nothing.
type Health struct {
	slow   [MaxServers]bool // it was silent for 100 ms while another had addresses
	waited [MaxServers]bool // it has cost a second, and may not do so again
}

// A server is what one server has made of one question.
type server struct {
	said    Verdict // 0 before it is asked, NoAnswer before it answers
	sends   int
	first   time.Duration
	tcp     bool // the answer comes by TCP
	toSend  bool // by TCP
	partial bool // there is a truncated answer
	since   time.Duration
}

type state byte

const (
	pending state = iota
	positive
	negative
	failing
)

func (s *server) state() state {
	switch s.said {
	case Ignored, NoAnswer:
		return pending
	case Positive:
		return positive
	case NoData, NXDomain:
		return negative
	}
	return failing
}

// decide brings question i's state up to date, and returns when it may change
// without an answer.
func (l *Lookup) decide(i int, now time.Duration) (due time.Duration) {
	q := &l.questions[i]
	if q.off {
		q.state, q.settled = negative, true
		return never
	}
	bound := q.start + l.conf.Timeout*time.Duration(l.conf.Attempts)
	q.state, q.settled = pending, false
	var waiting, failed int
	holdAddrs, holdNone := time.Duration(0), time.Duration(0) // until when they wait for earlier servers
	partial := -1
	for j := range l.conf.NServers {
		s := &q.servers[j]
		st := s.state()
		usable := holdAddrs
		if st == pending && s.partial {
			st, usable = positive, max(usable, s.since+tcpPatience)
			if usable > now {
				st = pending
				due = s.since + tcpPatience
			}
		}
		switch st {
		case positive:
			if usable > now {
				return min(usable, orNever(due), bound)
			}
			l.health.markSlow(q, j)
			q.state, q.from = positive, j
			better := holdNone // until when there may be a better answer
			if s.said != Positive {
				better = max(better, s.since+longSilence)
			}
			if q.settled = min(better, bound) <= now; !q.settled {
				return min(better, bound)
			}
			l.health.markWaited(q, j, now)
			return never
		case negative:
			if holdNone > now {
				return min(holdNone, bound)
			}
			l.health.markWaited(q, j, now)
			q.state, q.settled = negative, true
			return never
		case failing:
			failed++
			if s.partial && partial < 0 {
				partial = j
			}
		case pending:
			if s.said == Ignored {
				return min(orNever(due), bound) // it will be asked
			}
			waiting++
			if !l.health.slow[j] {
				holdAddrs = max(holdAddrs, s.since+silence)
			}
			if !l.health.waited[j] {
				holdNone = max(holdNone, q.start+longSilence)
			}
		}
	}
	// Nobody has an answer. Where one has failed, a search domain is not worth
	// more than a second of waiting for the others.
	domain, _ := l.domain(l.step)
	skip := domain != "" && failed > 0
	if waiting > 0 && now < bound && !(skip && holdNone <= now) {
		if skip {
			bound = min(bound, holdNone)
		}
		return min(orNever(due), bound)
	}
	l.health.markWaited(q, l.conf.NServers, now)
	q.state, q.settled = failing, true
	if partial >= 0 {
		q.state, q.from = positive, partial
	}
	return never
}

func orNever(due time.Duration) time.Duration {
	if due == 0 {
		return never
	}
	return due
}

// markSlow notes which servers before j have kept its addresses waiting.
func (h *Health) markSlow(q *question, j int) {
	for k := range j {
		if q.servers[k].state() == pending {
			h.slow[k] = true
		}
	}
}

// markWaited notes which servers before j have been silent for a second.
func (h *Health) markWaited(q *question, j int, now time.Duration) {
	for k := range j {
		if q.servers[k].state() == pending && now >= q.start+longSilence {
			h.slow[k], h.waited[k] = true, true
		}
	}
}

// advance brings l up to date: the state of its questions, and the name.
func (l *Lookup) advance(now time.Duration) {
	for !l.over {
		left, fails := 0, false
		for i := range l.n {
			l.decide(i, now)
			q := &l.questions[i]
			switch q.state {
			case pending:
				left++
			case positive:
				l.found = true
			case failing:
				fails = true
			}
		}
		if first := &l.questions[0]; l.questions[1].held && (first.state != pending || now >= first.start+tcpPatience) {
			l.questions[1].held, l.questions[1].start = false, now
			continue
		}
		if left > 0 || l.found {
			return
		}
		if fails && l.retry(now) {
			continue
		}
		domain, _ := l.domain(l.step)
		if fails {
			l.failed, l.blamed = true, l.step
			for i := range l.n {
				for j := range l.conf.NServers {
					l.blame[i][j] = l.questions[i].servers[j].said
				}
			}
			if domain == "" && l.full {
				l.over = true
				return
			}
		}
		var types [2]uint16
		for i := range l.n {
			types[i] = l.questions[i].kind()
		}
		l.nextName(types, now)
	}
}
