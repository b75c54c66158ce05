//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// dead is an address of this machine that accepts no connection. It holds its port until
// close.
type dead struct {
	addr   netip.AddrPort
	socket int
	queued net.Conn // fills its backlog; nil of one that refuses
}

// refusing returns an address that answers each SYN with a reset: its port is
// bound, and nobody listens.
func refusing(ip netip.Addr) (*dead, error) {
	domain, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: ip.As16()})
	if ip.Is4() {
		domain, sa = unix.AF_INET, &unix.SockaddrInet4{Addr: ip.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, sa); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind %s: %w", ip, err)
	}
	d := &dead{socket: fd}
	sa, _ = unix.Getsockname(fd) // cannot fail on a socket just bound
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		d.addr = netip.AddrPortFrom(ip, uint16(sa.Port))
	case *unix.SockaddrInet6:
		d.addr = netip.AddrPortFrom(ip, uint16(sa.Port))
	}
	return d, nil
}

// silent returns an address that answers nothing, as a host that is off or a
// firewall that drops. With a backlog of 0 one connection fills the queue of
// those that wait for accept, and the kernel drops every SYN after it.
func silent(ip netip.Addr) (*dead, error) {
	d, err := refusing(ip)
	if err != nil {
		return nil, err
	}
	if err = unix.Listen(d.socket, 0); err == nil {
		d.queued, err = d.dial()
	}
	if err != nil {
		d.close()
		return nil, fmt.Errorf("fill the backlog of %s: %w", d.addr, err)
	}
	c, err := d.dial()
	if err == nil {
		c.Close()
		err = errors.New("this kernel takes connections beyond a backlog")
	}
	if os.IsTimeout(err) {
		return d, nil
	}
	d.close()
	return nil, err
}

// dial gives up early: a loopback that answers at all does so in microseconds.
func (d *dead) dial() (net.Conn, error) {
	return net.DialTimeout("tcp", d.addr.String(), 100*time.Millisecond)
}

func (d *dead) close() {
	if d.queued != nil {
		d.queued.Close()
	}
	unix.Close(d.socket)
}
