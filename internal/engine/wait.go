package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// A race with Dialer.Wait is one for a host that is asleep, or booting. A candidate
// that has failed, and a name that was not found, has another try; and when Timeout is
// over all begins anew, commands excepted: they log in somewhere, once.

const (
	// tryAgain is how long after one try the next begins. A host that is there is
	// logged in to within a second of that.
	tryAgain = 500 * time.Millisecond

	// backOff is how long after the first try that a server has seen the next begins.
	backOff = time.Second

	// maxBackOff bounds the time between tries that servers have seen.
	maxBackOff = 8 * time.Second

	// pardon is how long sshd refuses a client at the least that it has penalized
	// (PerSourcePenalties in sshd_config(5), min).
	pardon = 15 * time.Second
)

// waiting is what a race knows of those that will have another try.
type waiting struct {
	on       bool
	timeout  time.Duration // of a round
	round    time.Duration // the end of this one
	seen     int           // connections that servers have accepted in vain
	attempts []laterAttempt
	lanes    []laterLane
}

type laterAttempt struct {
	*attempt
	at time.Duration
}

type laterLane struct {
	*lane
	at time.Duration
}

// wait makes the time of the whole race Wait, and that of a round what it was.
func (r *race) startWaiting() {
	if r.Wait > 0 && !r.RunAll {
		r.wait = waiting{on: true, timeout: r.timeout, round: r.timeout}
		r.timeout = r.Wait
		r.lookups.repeats = true
	}
}

// retryLater has a, which has failed with err, tried again. seen says that its server
// has seen it: then servers are left alone for longer and longer.
func (r *race) retryLater(a *attempt, err error, seen bool) {
	if !r.wait.on || a.addr.Command != nil {
		return
	}
	now := r.sys.Now()
	at := max(now, a.lastBegan+tryAgain)
	if seen {
		at = now + min(backOff<<min(r.wait.seen, 3), maxBackOff)
		r.wait.seen++
	}
	var refusal *Refusal
	if errors.As(err, &refusal) && strings.HasPrefix(refusal.Said, "Not allowed at this time") {
		at = now + pardon
	}
	if seen {
		r.wait.round = max(r.wait.round, at)
	}
	r.wait.attempts = append(r.wait.attempts, laterAttempt{a, at})
}

// askLater has the name of l, which has no address, looked up again; or its MAC address,
// which may have others than those that are made of it.
func (r *race) askLater(l *lane) {
	if r.wait.on && l.listed && (!l.hasAddrs || l.noAttemptDelay) {
		r.wait.lanes = append(r.wait.lanes, laterLane{l, max(r.sys.Now(), l.lastAsked+tryAgain)})
	}
}

// retryFailed begins what is due, and all when the round is over.
func (r *race) retryFailed(now time.Duration) {
	if !r.wait.on {
		return
	}
	if now >= r.wait.round {
		r.startOver(now)
		return
	}
	r.wait.attempts = slices.DeleteFunc(r.wait.attempts, func(l laterAttempt) bool {
		if l.at <= now {
			r.revive(l.attempt, now)
		}
		return l.at <= now
	})
	r.wait.lanes = slices.DeleteFunc(r.wait.lanes, func(l laterLane) bool {
		if l.at <= now {
			r.askAgain(l.lane)
		}
		return l.at <= now
	})
}

// revive takes back that a has failed.
func (r *race) revive(a *attempt, now time.Duration) {
	c := a.candidate
	c.live++
	if c.finished {
		c.finished = false
		for _, l := range c.lanes {
			l.live++
		}
	}
	a.was, a.err = a.err, nil
	a.ended, a.connected, a.shown = false, false, false
	a.fd, a.talk, a.check, a.discarded = -1, nil, hostCheck{}, a.tries
	r.failures = slices.DeleteFunc(r.failures, func(f failure) bool { return f.attempt == a })
	r.schedule.again(a, now)
}

// askAgain takes back that the name of l was not found.
func (r *race) askAgain(l *lane) {
	l.err = nil
	r.failures = slices.DeleteFunc(r.failures, func(f failure) bool {
		return f.attempt == nil && f.Target == l.target && !f.Addr.IsValid()
	})
	r.sys.Refresh()
	r.resolveTarget(l)
}

// startOver begins a new round.
func (r *race) startOver(now time.Duration) {
	isCommand := func(a *attempt) bool { return a.addr.Command != nil }
	for _, a := range r.attempts {
		if !a.ended && a.tries > 0 && !isCommand(a) {
			r.closeTries(a)
			a.ended = true
			r.report(r.event(Cancelled, a, context.DeadlineExceeded))
		}
	}
	r.attempts = slices.DeleteFunc(r.attempts, func(a *attempt) bool { return !isCommand(a) })
	r.failures = slices.DeleteFunc(r.failures, func(f failure) bool { return f.attempt == nil || !isCommand(f.attempt) })
	r.lookups.reset()
	r.rejected, r.peeks = nil, nil
	r.gate, r.proxies, r.nat64 = gate{}, proxies{}, nat64{}
	r.wait.attempts, r.wait.lanes, r.wait.round = nil, nil, now+r.wait.timeout
	r.schedule.onlyCommands()
	for addr := range r.schedule.candidates {
		if addr.Command == nil {
			delete(r.schedule.candidates, addr)
		}
	}
	r.sys.Refresh()
	r.begin()
}

// isWaiting reports whether something has another try, now or later.
func (r *race) isWaiting() bool {
	if !r.wait.on {
		return false
	}
	return len(r.wait.attempts)+len(r.wait.lanes)+len(r.lookups.pending) > 0 ||
		slices.ContainsFunc(r.attempts, func(a *attempt) bool { return !a.ended && a.addr.Command == nil })
}

// waitDue is when something has another try.
func (r *race) waitDue() time.Duration {
	if !r.wait.on {
		return never
	}
	due := r.wait.round
	for _, l := range r.wait.attempts {
		due = min(due, l.at)
	}
	for _, l := range r.wait.lanes {
		due = min(due, l.at)
	}
	return due
}
