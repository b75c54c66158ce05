package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

func poll(fds []unix.PollFd, timeout time.Duration) error {
	ts := unix.NsecToTimespec(int64(timeout))
	_, err := unix.Ppoll(fds, &ts, nil)
	return err
}
