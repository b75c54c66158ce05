package mptcp

import (
	"os"

	"golang.org/x/sys/unix"
)

// pausedTimeout bounds the connection that Paused makes to itself, in milliseconds: a
// firewall may drop packets on loopback.
const pausedTimeout = 100

// Paused reports whether this kernel has paused MPTCP: new connections of this network
// namespace use plain TCP, to all peers. Since Linux 6.12 the kernel pauses it after the
// SYNs of one connection were dropped until it fell back: for
// net.mptcp.blackhole_timeout, 3600 s, and longer each time. Writing that sysctl ends the
// pause. The kernel has no interface that reports it: Paused connects to itself over
// loopback, within 100 ms, and returns an error if it cannot.
func Paused() (bool, error) {
	l, err := Socket(unix.AF_INET)
	if err != nil {
		return false, err
	}
	defer unix.Close(l)
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return false, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(l, 1); err != nil {
		return false, os.NewSyscallError("listen", err)
	}
	to, err := unix.Getsockname(l)
	if err != nil {
		return false, os.NewSyscallError("getsockname", err)
	}
	fd, err := Socket(unix.AF_INET)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
		return false, os.NewSyscallError("connect", err)
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, pausedTimeout)
	for err == unix.EINTR { // by a signal of Go's runtime
		n, err = unix.Poll(p, pausedTimeout)
	}
	switch {
	case err != nil:
		return false, os.NewSyscallError("poll", err)
	case n == 0:
		return false, os.NewSyscallError("connect", unix.ETIMEDOUT)
	case p[0].Revents != unix.POLLOUT:
		return false, os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	yes, err := InUseFD(fd)
	return err == nil && !yes, err
}
