//go:build unix

package engine

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// A route says whether there is a route to the internet in one family.
type route byte

const (
	routeUnknown route = iota
	routeNone
	routeThere
)

func (k *kernel) Refresh() {
	k.routes = [3]route{}
	k.names.refresh()
}

func (k *kernel) Route(f Family) bool {
	if k.routes[f] == routeUnknown {
		far := FarIPv6()
		if f == IPv4 {
			far = FarIPv4()
		}
		k.routes[f] = routeNone
		if k.dialer.source(far).IsValid() {
			k.routes[f] = routeThere
		}
	}
	return k.routes[f] == routeThere
}

// mayBeNoWayOut reports whether a link-local source address would mean that there is no
// route to to: see source.
func (k *kernel) mayBeNoWayOut(to Addr) bool {
	return !to.isSocket() && to.Addr().Is4() && !to.Addr().IsLoopback() && !isLinkLocal4(to.Addr()) && !k.dialer.Bind.IsValid()
}

// isNoWayOut reports whether source finds no route to to. It looks only if the race has
// already found that there is no route to the IPv4 internet: other races need not wait for
// that.
func (k *kernel) isNoWayOut(to Addr) bool {
	return k.routes[IPv4] == routeNone && k.mayBeNoWayOut(to) && !k.dialer.source(to.Addr()).IsValid()
}

func isLinkLocal4(a netip.Addr) bool { return a.Is4() && a.IsLinkLocalUnicast() }

// LocalAddr returns the IP address that the socket fd is bound to, or the zero Addr. fd
// stays the caller's.
func LocalAddr(fd int) netip.Addr {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap()
	}
	return netip.Addr{}
}
