package stub

import "time"

// A Result is what is known of one question.
type Result struct {
	Question int
	Server   int  // its message, which Answer kept, has the records; -1 if there are none
	Replaces bool // in place of the records that were told before
	More     bool // a server that is to be preferred may still answer
}

// Result returns the next thing to know, until ok is false. Each question ends
// with a Result without More.
func (l *Lookup) Result(now time.Duration) (r Result, ok bool) {
	l.advance(now)
	if !l.found && !l.over {
		return r, false
	}
	for i := range l.n {
		q := &l.questions[i]
		r := Result{Question: i, Server: -1}
		st, settled := q.state, q.settled
		if l.over {
			st, settled = failing, true
		}
		switch {
		case q.told == failing || st == pending:
			continue // all is told, or nothing to tell
		case st == positive && q.told == positive && q.from == q.toldFrom:
			if !settled {
				continue
			}
			q.told = failing
		case st == positive:
			r.Server, r.Replaces, r.More = q.from, q.told == positive, !settled
			q.told, q.toldFrom = positive, q.from
			if settled {
				q.told = failing
			}
		default:
			r.Replaces = q.told == positive && st == negative
			q.told = failing
		}
		return r, true
	}
	return r, false
}

// Records makes a read a message that Answer kept for a question.
func (l *Lookup) Records(a *Answer, question int, m []byte) {
	a.init(m, &l.questions[question&1].query)
}

// Found reports whether there is a name with records, and NotFound whether it is
// certain that there is none.
func (l *Lookup) Found() bool { return l.found }

// NotFound reports whether every name of the list was said not to exist, or to
// have no such records.
func (l *Lookup) NotFound() bool { return l.over && !l.failed }

// Stopped reports whether the search list was not tried because servers failed
// for the name as it is.
func (l *Lookup) Stopped() bool {
	return l.over && l.failed && l.full && !l.only && l.conf.NSearch > 0 && l.step == 0
}

// Blame returns what a server has said to a question, NoAnswer if nothing, or 0
// if it was not asked: after a failure that of the last name for which servers
// failed.
func (l *Lookup) Blame(question, server int) Verdict {
	question, server = question&1, server&3%MaxServers
	if l.over && l.failed {
		return l.blame[question][server]
	}
	return l.questions[question].servers[server].said
}

// Domain returns the search domain below which l asks, or below which servers
// failed; "" for the name as it is.
func (l *Lookup) Domain() string {
	step := l.step
	if l.over && l.failed {
		step = l.blamed
	}
	domain, _ := l.domain(step)
	return domain
}
