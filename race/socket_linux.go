package race

import "golang.org/x/sys/unix"

func streamSocket(domain int) (fd int, err error) {
	return unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}
