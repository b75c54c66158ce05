package engine

import (
	"errors"
	"time"
)

// When a part of a banner has come, poll(2) returns at once, again and again. TCP can wait for
// more (SO_RCVLOWAT), but a Unix-domain socket cannot. The race then looks again by a timer.

// peekInterval is the time between two looks.
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

// peekDue returns when to look at the next of peeks.
func (r *race) peekDue() time.Duration {
	due := never
	for _, a := range r.peeks {
		due = min(due, a.peekAt)
	}
	return due
}

// peek looks at those of peeks whose time has come.
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
