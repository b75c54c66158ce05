package resolve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// A link is a network interface that is up, has a carrier, and is not
// loopback, with its addresses.
type link struct {
	net.Interface
	addrs []netip.Prefix
}

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

// hasIPv6 says whether any host can be reached over l by a link-local address.
func (l *link) hasIPv6() bool {
	for _, p := range l.addrs {
		if p.Addr().Is6() {
			return true
		}
	}
	return false
}

// linkLocal is l's own fe80 address, with l as its zone.
func (l *link) linkLocal() (netip.Addr, bool) {
	for _, p := range l.addrs {
		if a := p.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
			return a.WithZone(l.Name), true
		}
	}
	return netip.Addr{}, false
}

// ipv4 is l's first IPv4 address and its net.
func (l *link) ipv4() (netip.Prefix, bool) {
	for _, p := range l.addrs {
		if p.Addr().Is4() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// hasMACs says whether l's hosts have MAC addresses: a tunnel's have not.
func (l *link) hasMACs() bool {
	return len(l.HardwareAddr) == 6 && l.Flags&net.FlagPointToPoint == 0
}

// hears says whether l's hosts are those of a link that a multicast reaches.
func (l *link) hears() bool {
	return l.Flags&net.FlagMulticast != 0 && l.Flags&net.FlagPointToPoint == 0
}

// EveryLink returns the link-local address a with each interface as its zone
// that is up, has a carrier, is not loopback, and has IPv6. A zone that a has
// is replaced.
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

// scoped gives a link-local IPv6 address the interface of that index as zone.
func scoped(a netip.Addr, index int) netip.Addr {
	if !a.Is6() || !a.IsLinkLocalUnicast() || index == 0 {
		return a
	}
	if i, err := net.InterfaceByIndex(index); err == nil {
		return a.WithZone(i.Name)
	}
	return a.WithZone(strconv.Itoa(index))
}
