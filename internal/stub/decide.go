package stub

import "time"

// Health is what the lookups of one race have learned about the name servers of
// their Config. The zero value is ready to use.
type Health struct {
	slow   [MaxServers]bool // silent for 100 ms while a later server had addresses
	waited [MaxServers]bool // silent for a second that the race has waited for it
}

// A server is the state of one question at one server.
type server struct {
	verdict Verdict // 0 before it is asked, NoAnswer before it answers
	sends   int
	first   time.Duration // when it was first asked
	since   time.Duration // when it was first asked, or when a truncated answer came, or when TCP failed
	tcp     bool          // the answer comes over TCP
	toSend  bool          // the question must still be sent over TCP
	partial bool          // the caller has a truncated answer with records
}

type state byte

const (
	pending state = iota
	positive
	negative
	failing
)

func (s *server) state() state {
	switch s.verdict {
	case Ignored, NoAnswer:
		return pending
	case Positive:
		return positive
	case NoData, NXDomain:
		return negative
	}
	return failing
}

// decide updates the state of question i. It returns when the state may change even if
// no message arrives: never, or a time after now.
func (l *Lookup) decide(i int, now time.Duration) (due time.Duration) {
	q := l.question(i)
	if q.reported == final {
		return never
	}
	if q.off {
		q.state, q.settled = negative, true
		return never
	}
	q.state, q.settled = pending, false
	if q.held {
		return never
	}
	best := -1              // the first server that has an answer; those after it do not count
	partial := -1           // the first one before it that has part of an answer
	var since time.Duration // when the first partial answer came, or its TCP failed
	var waiting, failed int
	var addrsUntil, noneUntil time.Duration // when best's answer counts despite pending servers: one with records, one without
	unasked := false
	for j := range l.conf.NServers {
		s := q.server(j)
		switch s.state() {
		case positive, negative:
			best = j
		case failing:
			failed++
		case pending:
			waiting++
			unasked = s.verdict == Ignored
			if !l.health.slow[at(j)] {
				addrsUntil = max(addrsUntil, s.since+silence)
			}
			if !l.health.waited[at(j)] {
				noneUntil = max(noneUntil, q.start+longSilence)
			}
		}
		if best >= 0 || unasked {
			break // an unasked server is followed by unasked ones
		}
		if s.partial {
			if partial < 0 {
				partial, since = j, s.since
			}
			since = min(since, s.since)
		}
	}
	addrsUntil, noneUntil = min(addrsUntil, q.end), min(noneUntil, q.end)
	switch {
	case best >= 0 && q.server(best).verdict == Positive:
		if addrsUntil > now && q.reported == unreported {
			return addrsUntil
		}
		return l.use(q, best, noneUntil, now)
	case partial >= 0:
		if at := min(since+tcpPatience, q.end); waiting > 0 && at > now && q.reported == unreported {
			return at
		}
		until := time.Duration(0)
		if waiting > 0 {
			until = min(max(noneUntil, since+longSilence), q.end)
		}
		return l.use(q, partial, until, now)
	case best >= 0:
		if noneUntil > now {
			return noneUntil
		}
		l.health.markWaited(q, best, now)
		q.state, q.settled = negative, true
		return never
	}
	// No server has an answer. If one has failed, a search domain is worth at
	// most a second of waiting for the others.
	if waiting > 0 && now < q.end {
		domain, _ := l.domain(l.step)
		switch {
		case domain == "" || failed == 0 || unasked:
			return q.end
		case noneUntil > now:
			return noneUntil
		}
	}
	l.health.markWaited(q, l.conf.NServers, now)
	q.state, q.settled = failing, true
	return never
}

// use makes server j's records the answer to q. Until then a better answer may
// come, from a server before j or, if j's is truncated, from any.
func (l *Lookup) use(q *question, j int, until, now time.Duration) (due time.Duration) {
	if q.reported == unreported { // otherwise a server that has since answered other questions would become slow again
		l.health.markSlow(q, j)
	}
	q.state, q.from = positive, j
	if until > now {
		return until
	}
	q.settled = true
	l.health.markWaited(q, j, now)
	return never
}

// markSlow records that the pending servers before j have delayed its addresses.
func (h *Health) markSlow(q *question, j int) {
	for k := range j {
		if q.server(k).state() == pending {
			h.slow[at(k)] = true
		}
	}
}

// markWaited records which servers before j have been silent for a second.
func (h *Health) markWaited(q *question, j int, now time.Duration) {
	for k := range j {
		if q.server(k).state() == pending && now >= q.start+longSilence {
			h.slow[at(k)], h.waited[at(k)] = true, true
		}
	}
}

// advance updates the states of the questions, and goes on to the next name
// when this one has no records.
func (l *Lookup) advance(now time.Duration) {
	for !l.over {
		unanswered, fails := false, false
		for i := range l.n {
			l.decide(i, now)
			switch l.question(i).state {
			case pending:
				unanswered = true
			case positive:
				l.found = true
			case failing:
				fails = true
			}
		}
		first, second := &l.questions[0], &l.questions[1]
		if second.held && (first.state != pending || now >= first.start+tcpPatience) {
			second.held = false
			second.start, second.end = now, now+l.bound()
			continue
		}
		if unanswered || l.found || fails && l.retry(now) {
			return
		}
		l.exists = l.exists || l.hasNoData()
		domain, _ := l.domain(l.step)
		if fails {
			l.failed, l.blamed = true, l.step
			for i := range l.n {
				for j := range l.conf.NServers {
					l.blame[i&1][at(j)] = l.question(i).server(j).verdict
				}
			}
			if domain == "" && l.full {
				l.over = true
				return
			}
		}
		l.nextName(now)
	}
}

// hasNoData reports whether a server said that this name exists, and has no records of the
// type asked for.
func (l *Lookup) hasNoData() bool {
	for i := range l.n {
		for j := range l.conf.NServers {
			if l.question(i).server(j).verdict == NoData {
				return true
			}
		}
	}
	return false
}

// retry asks once more if servers have answered SERVFAIL, which may be temporary. It
// reports whether it does.
func (l *Lookup) retry(now time.Duration) bool {
	if l.again || l.conf.Attempts < 2 {
		return false
	}
	for i := range l.n {
		q := l.question(i)
		if q.state != failing || now >= q.end {
			continue
		}
		for j := range l.conf.NServers {
			if q.server(j).verdict == ServFail {
				q.begin(now)
				l.again = true
				break
			}
		}
	}
	return l.again
}
