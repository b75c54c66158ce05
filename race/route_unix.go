//go:build unix

package race

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// A route is what the kernel says of the way to the internet of a family.
type route byte

const (
	routeUnknown route = iota
	routeNone
	routeThere
)

// far is an address of the root name server A, far from everybody. Nothing is sent.
func far(f Family) netip.Addr {
	if f == IPv4 {
		return netip.AddrFrom4([4]byte{198, 41, 0, 4})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 12: 0x00, 13: 0x02, 14: 0x00, 15: 0x30})
}

func (k *kernel) Route(f Family) bool {
	if k.routes[f] == routeUnknown {
		k.routes[f] = routeNone
		s := sources{dialer: k.dialer}
		defer s.close()
		if s.to(far(f)).IsValid() {
			k.routes[f] = routeThere
		}
	}
	return k.routes[f] == routeThere
}

// sources asks the kernel which addresses it would connect from. It sends
// nothing. close must follow.
type sources struct {
	dialer *Dialer
	fds    [2]int // of a datagram socket for IPv4 and IPv6, plus 1
}

// to returns the address from which a would be connected to, or one that is not
// valid: there is no route. IPv4 from a link-local address to anything else does
// not count as one: no router passes it on (RFC 3927 section 2.7).
func (s *sources) to(a netip.Addr) (source netip.Addr) {
	if s.dialer.Bind.IsValid() {
		return s.dialer.Bind
	}
	i, domain := 0, unix.AF_INET
	if a.Is6() {
		i, domain = 1, unix.AF_INET6
	}
	if s.fds[i] == 0 {
		fd, err := newSocket(domain, unix.SOCK_DGRAM)
		if err != nil {
			return source
		}
		s.fds[i] = fd + 1
		if s.dialer.Interface != "" {
			_ = bindToDevice(fd, s.dialer.Interface) // the attempt will say why not
		}
	}
	fd := s.fds[i] - 1
	sa, err := sockaddr(Addr{AddrPort: netip.AddrPortFrom(a, dnsPort)})
	if err != nil || unix.Connect(fd, sa) != nil {
		return source
	}
	source = localAddr(fd)
	if isLinkLocal4(source) && !isLinkLocal4(a) {
		return netip.Addr{}
	}
	return source
}

func (s *sources) close() {
	for _, fd := range s.fds {
		if fd > 0 {
			unix.Close(fd - 1)
		}
	}
}

// isNoWayOut reports whether fd, which connects to to, does so over IPv4 from a
// link-local address that nobody asked for, where sources.to has no route either.
func (k *kernel) isNoWayOut(fd int, to Addr) bool {
	if to.isSocket() || !to.Addr().Is4() || to.Addr().IsLoopback() || isLinkLocal4(to.Addr()) || k.dialer.Bind.IsValid() {
		return false
	}
	return isLinkLocal4(localAddr(fd))
}

func isLinkLocal4(a netip.Addr) bool { return a.Is4() && a.IsLinkLocalUnicast() }

// localAddr returns the address that fd is bound to.
func localAddr(fd int) netip.Addr {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr)
	}
	return netip.Addr{}
}
