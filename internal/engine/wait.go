package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dialer.Wait is for a host that is asleep or booting. Within a round, candidates that
// have failed and names without addresses are tried again; after Timeout the next round
// starts over with everything except commands, which log in somewhere.

const (
	// retryInterval is the time between the starts of two tries. It is short enough
	// that a login succeeds within a second after the host is ready.
	retryInterval = 500 * time.Millisecond

	// minRound keeps a short Timeout from making a burst of connections.
	minRound = time.Second

	// The time after a connection that a server has accepted is firstBackOff, and then
	// doubles up to maxBackOff.
	firstBackOff = time.Second
	maxBackOff   = 8 * time.Second

	// penaltyTime is the shortest time for which sshd refuses a penalized client (min
	// of PerSourcePenalties in sshd_config(5)).
	penaltyTime = 15 * time.Second
)

// waiting is the state of Dialer.Wait.
type waiting struct {
	on       bool
	timeout  time.Duration // of a round
	roundEnd time.Duration
	accepted int // connections that a server has accepted and that did not win
	attempts []pendingRetry[*attempt]
	lanes    []pendingRetry[*lane]
}

// A pendingRetry is an attempt, or the lookup of a lane's name, to be tried again at a
// time of its own.
type pendingRetry[T any] struct {
	what T
	at   time.Duration
}

// startWaiting makes Wait the time limit of the race, and Timeout that of a round.
func (r *race) startWaiting() {
	if r.Wait > 0 && !r.RunAll {
		round := max(r.timeout, minRound)
		r.wait = waiting{on: true, timeout: round, roundEnd: round}
		r.timeout = r.Wait
		r.lookups.repeats = true
	}
}

// retryLater schedules another try of a, which has failed with err. accepted reports
// whether its server had accepted the connection.
func (r *race) retryLater(a *attempt, err error, accepted bool) {
	if !r.wait.on || a.addr.Command != nil {
		return
	}
	now := r.sys.Now()
	at := max(now, a.lastBegan+retryInterval)
	if accepted {
		at = now + min(firstBackOff<<min(r.wait.accepted, 3), maxBackOff)
		r.wait.accepted++
	}
	var refusal *Refusal
	if errors.As(err, &refusal) && strings.HasPrefix(refusal.Said, "Not allowed at this time") {
		at = now + penaltyTime
	}
	if accepted {
		r.wait.roundEnd = max(r.wait.roundEnd, at)
	}
	r.wait.attempts = append(r.wait.attempts, pendingRetry[*attempt]{a, at})
}

// askLater schedules another lookup of l's name, if it has no address, or of its MAC
// address: the addresses derived from that (EUI-64) are known at once, but the host may have
// others.
func (r *race) askLater(l *lane) {
	if r.wait.on && l.listed && (!l.hasAddrs || l.noAttemptDelay) {
		r.wait.lanes = append(r.wait.lanes, pendingRetry[*lane]{l, max(r.sys.Now(), l.lastAsked+retryInterval)})
	}
}

// retryFailed starts the retries that are due, or the next round.
func (r *race) retryFailed(now time.Duration) {
	if !r.wait.on {
		return
	}
	if now >= r.wait.roundEnd {
		r.failSilent(now)
	}
	if now >= r.wait.roundEnd {
		r.startOver(now)
		return
	}
	r.wait.attempts = slices.DeleteFunc(r.wait.attempts, func(p pendingRetry[*attempt]) bool {
		if p.at <= now {
			r.revive(p.what, now)
		}
		return p.at <= now
	})
	r.wait.lanes = slices.DeleteFunc(r.wait.lanes, func(p pendingRetry[*lane]) bool {
		if p.at <= now {
			r.askAgain(p.what)
		}
		return p.at <= now
	})
}

// revive undoes the failure of a, and schedules a try at once.
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

// askAgain undoes the failure of l's lookup, and repeats it.
func (r *race) askAgain(l *lane) {
	l.err = nil
	r.failures = slices.DeleteFunc(r.failures, func(f failure) bool {
		return f.attempt == nil && f.Target == l.target && !f.Addr.IsValid()
	})
	r.sys.Refresh()
	r.resolveTarget(l)
}

// failSilent fails the attempts that a server has accepted and left without an answer, so
// that the next round begins after a pause. It extends the round if one of them has had less
// time than a round takes.
func (r *race) failSilent(now time.Duration) {
	var silent []*attempt
	for _, a := range r.attempts {
		if !a.ended && a.addr.Command == nil && r.accepted(a) {
			silent = append(silent, a)
			r.wait.roundEnd = max(r.wait.roundEnd, a.lastBegan+r.wait.timeout)
		}
	}
	if now < r.wait.roundEnd {
		return
	}
	for _, a := range silent {
		r.failed(a, fmt.Errorf("%w: %w", a.awaits(), context.DeadlineExceeded))
	}
}

// startOver starts a new round.
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
	r.peeks = slices.DeleteFunc(r.peeks, func(a *attempt) bool { return !isCommand(a) })
	r.rejected = nil
	r.gate, r.proxies, r.nat64 = gate{}, proxies{}, nat64{}
	r.wait.attempts, r.wait.lanes, r.wait.roundEnd = nil, nil, now+r.wait.timeout
	r.schedule.onlyCommands()
	for addr := range r.schedule.candidates {
		if addr.Command == nil {
			delete(r.schedule.candidates, addr)
		}
	}
	r.sys.Refresh()
	r.begin()
}

// isWaiting reports whether anything but a command is under way or will be tried again.
func (r *race) isWaiting() bool {
	if !r.wait.on {
		return false
	}
	return len(r.wait.attempts)+len(r.wait.lanes)+len(r.lookups.pending) > 0 ||
		slices.ContainsFunc(r.attempts, func(a *attempt) bool { return !a.ended && a.addr.Command == nil })
}

// waitDue is when retryFailed has something to do.
func (r *race) waitDue() time.Duration {
	if !r.wait.on {
		return never
	}
	due := r.wait.roundEnd
	for _, l := range r.wait.attempts {
		due = min(due, l.at)
	}
	for _, l := range r.wait.lanes {
		due = min(due, l.at)
	}
	return due
}
