package race

import "golang.org/x/sys/unix"

func streamSocket(domain int) (fd int, err error) { return newSocket(domain, unix.SOCK_STREAM) }

func newSocket(domain, kind int) (fd int, err error) {
	return unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}
