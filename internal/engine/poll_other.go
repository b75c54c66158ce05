//go:build unix && !linux

package engine

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// pollClosed: there is no POLLRDHUP.
const pollClosed = 0

// isClosed takes it that poll(2) has waited for more than what was there
// (SO_RCVLOWAT), and so has returned for the end.
func isClosed(int) bool { return true }

// poll rounds up to the milliseconds of poll(2): an attempt is never early.
// Its longest is 24 days; the loop waits again.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	timeout = min(timeout, math.MaxInt32*time.Millisecond)
	_, err := unix.Poll(fds, int((timeout+time.Millisecond-1)/time.Millisecond))
	return err
}
