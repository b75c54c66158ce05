//go:build linux

package helper

import (
	"errors"
	"testing"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/hostkey"
)

// What had a different key is soon checked again if nobody won without it, and by a
// process that waits: it can be the expected machine by then.
func TestCheckerChecksAgain(t *testing.T) {
	c, p, fd := checkerOf(t)
	start := time.Now()
	now := start
	c.now = func() time.Time { return now }
	isChecked := func(c *checker) {
		t.Helper()
		if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
			t.Fatal(err)
		}
		if err := c.verdict(p, "Host key verification failed.\n", true); !errors.Is(err, hostkey.ErrMismatch) {
			t.Error(err)
		}
	}
	isKnown := func(c *checker) {
		t.Helper()
		if err := c.known(p, nil, fd); !errors.Is(err, hostkey.ErrMismatch) {
			t.Error(err)
		}
	}
	isChecked(c)
	c.done(&engine.Winner{})
	now = start.Add(differentMaxAge + time.Second)
	for _, w := range []*engine.Winner{{}, nil, nil} { // the last leaves the record as it is
		c = c.again()
		isKnown(c)
		now = start.Add(differentMaxAge - time.Second)
		c.done(w)
	}
	now = start.Add(differentMaxAge + time.Second)
	c = c.again()
	isChecked(c)
	c.done(nil)
	now = start
	isKnown(c.again())
	now = start.Add(differentMaxAge + time.Second)
	c = c.again()
	isChecked(c)

	now = start
	other := c.again() // does not wait
	c = c.again()
	c.waits = true
	isKnown(c)
	isKnown(other)
	now = start.Add(2*recheckAfter - 1)
	isKnown(other)
	isChecked(c) // at the time of the test, the record was made at the real one
	now = now.Add(recheckAfter - 1)
	isKnown(c)
	now = now.Add(1)
	isChecked(c)
}
