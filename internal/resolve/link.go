package resolve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// A link is a network interface that is up, has a carrier and is not loopback, with
// its addresses.
type link struct {
	net.Interface
	addrs []netip.Prefix
}

// links returns the links of this machine.
func links() ([]link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var up []link
	for _, i := range all {
		if i.Flags&(net.FlagUp|net.FlagRunning|net.FlagLoopback) != net.FlagUp|net.FlagRunning {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		l := link{Interface: i}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.addrs = append(l.addrs, p)
			}
		}
		up = append(up, l)
	}
	return up, nil
}

// hasIPv6 reports whether l can reach link-local addresses.
func (l *link) hasIPv6() bool {
	for _, p := range l.addrs {
		if p.Addr().Is6() {
			return true
		}
	}
	return false
}

// linkLocal returns l's own link-local IPv6 address with l as its zone.
func (l *link) linkLocal() (netip.Addr, bool) {
	for _, p := range l.addrs {
		if a := p.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
			return a.WithZone(l.Name), true
		}
	}
	return netip.Addr{}, false
}

// ipv4 returns l's first IPv4 address and the length of its prefix.
func (l *link) ipv4() (netip.Prefix, bool) {
	for _, p := range l.addrs {
		if p.Addr().Is4() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// contains reports whether a is an address on l rather than behind a router: it is
// link-local or under a prefix of l.
func (l *link) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLinkLocalUnicast() {
		return true
	}
	for _, p := range l.addrs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// hasMACs reports whether l's hosts have MAC addresses. Those behind a tunnel have
// none.
func (l *link) hasMACs() bool {
	return len(l.HardwareAddr) == 6 && l.Flags&net.FlagPointToPoint == 0
}

// isMulticast reports whether a multicast on l reaches several hosts.
func (l *link) isMulticast() bool {
	return l.Flags&net.FlagMulticast != 0 && l.Flags&net.FlagPointToPoint == 0
}

// EveryLink returns the link-local address a once for each interface that is up, has
// a carrier, is not loopback and has IPv6, with that interface as its zone. A zone
// that a has is replaced. There is at least one address, or an error.
func EveryLink(a netip.Addr) ([]netip.Addr, error) {
	all, err := links()
	if err != nil {
		return nil, err
	}
	var scoped []netip.Addr
	for _, l := range all {
		if l.hasIPv6() {
			scoped = append(scoped, a.WithZone(l.Name))
		}
	}
	if scoped == nil {
		return nil, errNoIPv6
	}
	return scoped, nil
}

var errNoIPv6 = errors.New(`no network interface is up and has IPv6 ("ip -6 address" lists them)`)

// scoped returns a with the interface of that index as its zone if a is a link-local IPv6
// address. An index of 0 or less means that the interface is not known.
func scoped(a netip.Addr, index int) netip.Addr {
	if !a.Is6() || !a.IsLinkLocalUnicast() || index <= 0 {
		return a
	}
	if i, err := net.InterfaceByIndex(index); err == nil {
		return a.WithZone(i.Name)
	}
	return a.WithZone(strconv.Itoa(index))
}
