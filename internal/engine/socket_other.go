//go:build unix && !linux

package engine

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func streamSocket(domain int) (fd int, err error) { return newSocket(domain, unix.SOCK_STREAM) }

func socketPair() (fds [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	return fds, err
}

// newSocket does without the flags of socket(2), which darwin lacks.
func newSocket(domain, kind int) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err = unix.Socket(domain, kind, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	return fd, unix.SetNonblock(fd, true)
}
