package resolve

import (
	"net"
	"net/netip"
)

// An Interface is a network interface for outgoing connections.
type Interface struct {
	Name       string
	IPv4, IPv6 bool // has an address of that family that is not link-local
}

// Interfaces returns every interface that is up, is not loopback, and has an
// address that is not link-local.
func Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var usable []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		u := Interface{Name: i.Name}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || !p.Addr().IsGlobalUnicast() {
				continue
			}
			u.IPv4 = u.IPv4 || p.Addr().Is4()
			u.IPv6 = u.IPv6 || p.Addr().Is6()
		}
		if u.IPv4 || u.IPv6 {
			usable = append(usable, u)
		}
	}
	return usable, nil
}
