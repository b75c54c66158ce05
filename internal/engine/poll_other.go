//go:build unix && !linux

package engine

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// poll rounds up to the milliseconds of poll(2): an attempt is never early.
// Its longest is 24 days; the loop waits again.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	timeout = min(timeout, math.MaxInt32*time.Millisecond)
	_, err := unix.Poll(fds, int((timeout+time.Millisecond-1)/time.Millisecond))
	return err
}
