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
	now = start.Add(time.Hour)
	for _, w := range []*engine.Winner{{}, nil, nil} { // the last leaves the record as it is
		c = c.again()
		isKnown(c)
		now = start.Add(differentMaxAge - time.Second)
		c.done(w)
	}
	now = time.Now().Add(differentMaxAge)
	c = c.again()
	isChecked(c)
	c.done(nil)
	now = start
	isKnown(c.again())
	now = time.Now().Add(differentMaxAge)
	c = c.again()
	isChecked(c)

	now = start.Add(-time.Hour)
	other := c.again() // does not wait
	c = c.again()
	c.waits = true
	isKnown(c)
	isKnown(other)
	now = time.Now().Add(recheckAfter - 2*time.Millisecond) // records have milliseconds
	other.state.Add(hostKeyRecord, other.peers[p].key, differentKey)
	isKnown(c)
	now = start.Add(time.Hour)
	isKnown(other)
	isChecked(c)
	now = now.Add(recheckAfter - 1)
	isKnown(c)
	now = now.Add(1)
	isChecked(c)
}

// A machine that had another key before is the expected one once its key matches, also if
// the login then fails.
func TestCheckerFindsRightKey(t *testing.T) {
	const matches = "debug1: Host 'box' is known and matches the ED25519 host key.\n"
	for name, byOther := range map[string]bool{"by this process": false, "by another one": true} {
		c, p, fd := checkerOf(t)
		now := time.Now()
		c.now = func() time.Time { return now }
		expect := func(c *checker, want error) {
			t.Helper()
			now = now.Add(time.Hour)
			if err := c.known(p, nil, fd); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		expect(c, engine.ErrUnchecked)
		c.verdict(p, "Host key verification failed.\n", true)
		finder := c
		if byOther {
			finder = c.again()
			finder.waits = true
			expect(finder, hostkey.ErrMismatch)
		}
		c.waits = true
		expect(finder, engine.ErrUnchecked)
		if err := finder.verdict(p, matches, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if byOther {
			expect(c, nil)
		}
		c.done(nil)
		expect(c.again(), nil)
	}
}
