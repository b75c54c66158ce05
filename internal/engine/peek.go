package engine

import (
	"errors"
	"time"
)

// Where a part of a banner has come, poll(2) returns at once, for what is there already.
// TCP can wait for more (SO_RCVLOWAT); a Unix-domain socket cannot, and neither can
// MPTCP before Linux 6.7. The race then looks again by the clock.

// peekInterval is between two looks. A banner that comes in parts is rare, and its parts
// come one after the other.
const peekInterval = 10 * time.Millisecond

// errHalf is what Look and Heard return where a part of the banner has come.
var errHalf = errors.New("half a banner")

// peekLater looks at a again in a while.
func (r *race) peekLater(a *attempt) {
	if a.peekAt == 0 {
		r.peeks = append(r.peeks, a)
	}
	a.peekAt = r.sys.Now() + peekInterval
}

// peekDue is when the next of peeks is to be looked at.
func (r *race) peekDue() time.Duration {
	due := never
	for _, a := range r.peeks {
		due = min(due, a.peekAt)
	}
	return due
}

// peek looks at those whose time has come.
func (r *race) peek(now time.Duration) (over bool) {
	for i := 0; i < len(r.peeks); {
		a := r.peeks[i]
		if !a.ended && a.peekAt > now {
			i++
			continue
		}
		r.peeks = append(r.peeks[:i], r.peeks[i+1:]...)
		a.peekAt = 0
		if !a.ended && r.completed(a.open[0].fd, nil) {
			return true
		}
	}
	return false
}
