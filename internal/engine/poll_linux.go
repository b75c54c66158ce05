package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// pollClosed is the event of poll(2) for a peer that sends nothing more.
const pollClosed = unix.POLLRDHUP

// isClosed reports whether fd's peer has sent all that it will send, read or not.
func isClosed(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: pollClosed}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0
}

// poll waits until one of fds is ready, or for timeout.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	ts := unix.NsecToTimespec(int64(timeout))
	_, err := unix.Ppoll(fds, &ts, nil)
	return err
}
