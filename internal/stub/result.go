package stub

import "time"

// A Result is the answer to one question.
type Result struct {
	Question int
	Server   int  // the server whose message has the records; -1 if there are no new records
	Replaces bool // the earlier Results of this question no longer count
	More     bool // another Result follows, as a preferred server may still answer
}

// Result returns the next result. ok is false if there is none now. The last Result of
// each question is the one without More; if it has neither a Server nor Replaces, the
// earlier ones remain valid.
func (l *Lookup) Result(now time.Duration) (r Result, ok bool) {
	l.advance(now)
	if !l.found && !l.over {
		return r, false
	}
	for i := range l.n {
		q := l.question(i)
		if q.reported == final || q.state == pending && !l.over {
			continue
		}
		r := Result{Question: i, Server: -1}
		if q.state == positive && !l.over {
			if q.reported == unreported || q.from != q.reportedFrom {
				r.Server, r.Replaces = q.from, q.reported == provisional
			} else if !q.settled {
				continue
			}
			r.More, q.reportedFrom = !q.settled, q.from
		} else {
			r.Replaces = q.reported == provisional
		}
		q.reported = final
		if r.More {
			q.reported = provisional
		}
		return r, true
	}
	return r, false
}

// Records makes a iterate over m, a message that was kept for a question.
func (l *Lookup) Records(a *Answer, question int, m []byte) {
	a.init(m, &l.questions[question&1].query)
}

// Found reports whether a name on the search list has records.
func (l *Lookup) Found() bool { return l.found }

// NotFound reports whether servers answered for every name on the search list
// that it does not exist or has no such records.
func (l *Lookup) NotFound() bool { return l.over && !l.failed }

// Exists reports whether a server said of a name on the search list that it exists, and has
// no records of the type asked for.
func (l *Lookup) Exists() bool { return l.exists }

// Stopped reports whether l did not use the search list because servers failed for
// the name as it is.
func (l *Lookup) Stopped() bool {
	return l.over && l.failed && l.full && !l.only && l.conf.NSearch > 0 && l.step == 0
}

// Blame returns a server's verdict on a question: NoAnswer if it was silent, 0 if
// it was not asked. If l failed, it is about the last name for which servers
// failed.
func (l *Lookup) Blame(question, server int) Verdict {
	if l.over && l.failed {
		return l.blame[question&1][at(server)]
	}
	return l.question(question).server(server).verdict
}

// Domain returns the search domain of the name that Blame is about, "" for the
// name as it is.
func (l *Lookup) Domain() string {
	step := l.step
	if l.over && l.failed {
		step = l.blamed
	}
	domain, _ := l.domain(step)
	return domain
}
