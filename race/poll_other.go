//go:build unix && !linux

package race

import (
	"time"

	"golang.org/x/sys/unix"
)

// poll rounds up to the milliseconds of poll(2): an attempt is never early.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	_, err := unix.Poll(fds, int((timeout+time.Millisecond-1)/time.Millisecond))
	return err
}
