//go:build unix

package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"fdrace/internal/resolve"

	"golang.org/x/sys/unix"
)

func (k *kernel) Connect(t *Transport, to Addr, via string) (fd int, done bool, err error) {
	if to.Command != nil {
		fd, err = k.run(to.Command)
		return fd, false, err
	}
	if k.isNoWayOut(to) {
		return -1, false, localErrno{unix.ENETUNREACH}
	}
	begun, ok := k.started.Sockets[to.AddrPort]
	fd = begun.FD
	if ok && to.Proxy == nil {
		delete(k.started.Sockets, to.AddrPort)
		holdAck(fd)
		err = underWay(fd)
		if _, e := unix.Getpeername(fd); e == nil {
			err = unix.EINPROGRESS // it has connected: an ICMP error is only a hint, as in Wait
		}
	} else if fd, err = k.open(t, to); err != nil {
		return -1, false, errSocket{err}
	} else {
		err = k.connect(t, fd, to, via)
	}
	if (err == nil || err == unix.EINPROGRESS) && via == "" && k.mayBeNoWayOut(to) && isLinkLocal4(LocalAddr(fd)) {
		err = localErrno{unix.ENETUNREACH}
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, false, err
	}
	k.index[fd] = len(k.polls)
	k.polls = append(k.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
	return fd, err == nil, nil
}

// open makes a socket of t, or of the kind that the address needs.
func (k *kernel) open(t *Transport, to Addr) (fd int, err error) {
	open, domain := t.Socket, unix.AF_INET6
	switch {
	case to.Socket.Path != "":
		open, domain = streamSocket, unix.AF_UNIX
	case to.isSocket():
		open, domain = vsockSocket, 0
	case to.Addr().Is4():
		domain = unix.AF_INET
	}
	if open == nil {
		open = streamSocket
	}
	return open(domain)
}

func (k *kernel) connect(t *Transport, fd int, to Addr, via string) error {
	if via != "" && !to.isSocket() {
		if err := bindToDevice(fd, via); err != nil {
			return fmt.Errorf("bind to interface %s: %w", via, err)
		}
	}
	if k.dialer.Banner != "" && !t.EagerACK {
		// The connection may exist for a while before it is handed over: if this
		// process dies in that time, the peer should receive a RST.
		resetOnClose(fd)
	}
	if local := k.dialer.Bind; local.IsValid() && !to.isSocket() {
		sa, err := sockaddr(Addr{AddrPort: netip.AddrPortFrom(local, 0)})
		if err == nil {
			err = unix.Bind(fd, sa)
		}
		if err != nil {
			return fmt.Errorf("bind to %s: %w", local, err)
		}
	}
	sa, err := sockaddr(to)
	if err != nil {
		return err
	}
	holdAck(fd)
	err = unix.Connect(fd, sa)
	if err == unix.EINPROGRESS {
		return underWay(fd)
	}
	if errno, ok := err.(unix.Errno); ok {
		return localErrno{errno}
	}
	return err
}

// underWay returns EINPROGRESS, or the error of a connection that has failed already. The
// ICMP error of a local firewall arrives inside connect(2): the kernel reports it at the
// first retransmission, 1 s later, unless it is asked for SO_ERROR.
func underWay(fd int) error {
	if errno, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); errno != 0 {
		return unix.Errno(errno)
	}
	return unix.EINPROGRESS
}

// localErrno is an errno that connect(2) itself returned. It matches ErrLocal.
type localErrno struct{ unix.Errno }

func (e localErrno) Unwrap() error        { return e.Errno }
func (e localErrno) Is(target error) bool { return target == ErrLocal }

func sockaddr(to Addr) (unix.Sockaddr, error) {
	switch {
	case to.Socket.Path != "":
		return &unix.SockaddrUnix{Name: to.Socket.Path}, nil
	case to.isSocket():
		return vsockAddr(to.Socket), nil
	}
	a := to.Addr()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: a.As4()}, nil
	}
	zone, err := zoneID(a.Zone())
	return &unix.SockaddrInet6{Port: int(to.Port()), ZoneId: zone, Addr: a.As16()}, err
}

// zoneID returns the index of the interface whose name or index is zone. It returns ENODEV
// if there is none: for an index without an interface, connect(2) would report that there
// is no route.
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	i, err := interfaceOf(zone)
	if err != nil {
		errno := unix.ENODEV
		errors.As(err, &errno) // the list could not be read
		return 0, fmt.Errorf("interface %s: %w", zone, errno)
	}
	return uint32(i.Index), nil
}

// interfaceOf returns the interface whose index, name or alternative name is zone.
func interfaceOf(zone string) (*net.Interface, error) {
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return net.InterfaceByIndex(int(number))
	}
	return resolve.InterfaceByName(zone)
}

func (k *kernel) InterfaceName(zone string) string {
	if i, err := interfaceOf(zone); err == nil {
		return i.Name
	}
	return zone
}
