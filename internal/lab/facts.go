//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// Facts are the state and options of a socket that a helper has passed.
type Facts struct {
	Peer, Local netip.AddrPort // of IP sockets; Peer is invalid after a reset
	Protocol    int            // SO_PROTOCOL
	MPTCP       bool           // TCP_IS_MPTCP: an MPTCP socket that has not fallen back
	Err         error          // SO_ERROR
	Poll        int16          // POLLERR and POLLHUP, as they are pending
	NonBlocking bool
	KeepAlive   bool
	RcvBuf      int    // SO_RCVBUF
	Device      string // SO_BINDTODEVICE
}

const tcpIsMPTCP = 43 // not in x/sys/unix

// Examine returns the facts of a socket. It clears SO_ERROR.
func Examine(fd int) (f Facts, err error) {
	poll := []unix.PollFd{{Fd: int32(fd)}}
	err = restart(func() error {
		_, err := unix.Poll(poll, 0)
		return err
	})
	if err != nil {
		return f, fmt.Errorf("examine: poll: %w", err)
	}
	f.Poll = poll[0].Revents
	peer, err := unix.Getpeername(fd)
	if err != nil && !errors.Is(err, unix.ENOTCONN) {
		return f, fmt.Errorf("examine: getpeername: %w", err)
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return f, fmt.Errorf("examine: getsockname: %w", err)
	}
	f.Peer, f.Local = addrPort(peer), addrPort(local)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return f, fmt.Errorf("examine: fcntl: %w", err)
	}
	f.NonBlocking = flags&unix.O_NONBLOCK != 0
	option := func(level, name int) int {
		value, e := unix.GetsockoptInt(fd, level, name)
		// No TCP socket, or a kernel without MPTCP: 0.
		if e != nil && !errors.Is(e, unix.ENOPROTOOPT) && !errors.Is(e, unix.EOPNOTSUPP) {
			err = errors.Join(err, fmt.Errorf("examine: option %d/%d: %w", level, name, e))
		}
		return value
	}
	f.Protocol = option(unix.SOL_SOCKET, unix.SO_PROTOCOL)
	f.MPTCP = option(unix.IPPROTO_TCP, tcpIsMPTCP) == 1
	f.RcvBuf = option(unix.SOL_SOCKET, unix.SO_RCVBUF)
	f.KeepAlive = option(unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 1
	if errno := option(unix.SOL_SOCKET, unix.SO_ERROR); errno != 0 {
		f.Err = unix.Errno(errno)
	}
	device, e := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	f.Device = device
	return f, errors.Join(err, e)
}

func socketAddress(a netip.AddrPort) (domain int, sa unix.Sockaddr) {
	if a.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// String returns one fact a line, for scripts.
func (f Facts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "peer %v\nlocal %v\nprotocol %d\nmptcp %v\n", f.Peer, f.Local, f.Protocol, f.MPTCP)
	fmt.Fprintf(&b, "error %v\nhangup %v\npollerr %v\n", f.Err, f.Poll&unix.POLLHUP != 0, f.Poll&unix.POLLERR != 0)
	fmt.Fprintf(&b, "nonblocking %v\nkeepalive %v\ndevice %s\nrcvbuf %d\n", f.NonBlocking, f.KeepAlive, f.Device, f.RcvBuf)
	return b.String()
}
