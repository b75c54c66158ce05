//go:build unix && !linux

package engine

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// pollClosed is 0: these systems have no POLLRDHUP.
const pollClosed = 0

// isClosed returns true: it assumes that poll(2) was waiting for more bytes than there
// were (SO_RCVLOWAT), and so returned because the peer sends nothing more.
func isClosed(int) bool { return true }

// poll is poll(2) with the timeout rounded up to milliseconds, so that no attempt starts
// early. It waits for at most 24 days; the race then calls it again.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	timeout = min(timeout, math.MaxInt32*time.Millisecond)
	_, err := unix.Poll(fds, int((timeout+time.Millisecond-1)/time.Millisecond))
	return err
}
