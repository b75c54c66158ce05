package engine

import "golang.org/x/sys/unix"

func streamSocket(domain int) (fd int, err error) { return newSocket(domain, unix.SOCK_STREAM) }

func socketPair() (fds [2]int, err error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

func newSocket(domain, kind int) (fd int, err error) {
	return unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}
