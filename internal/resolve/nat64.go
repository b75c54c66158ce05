package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// ipv4onlyAddrs are the IPv4 addresses of ipv4only.arpa. No other name has them (RFC
// 7050 section 2.2).
var ipv4onlyAddrs = [2]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}

// nat64Lengths are the lengths that a prefix can have (RFC 6052 section 2.2).
var nat64Lengths = [...]int{32, 40, 48, 56, 64, 96}

// NAT64Prefixes returns the prefixes under which this network's NAT64 translates to
// IPv4 (RFC 7050). It asks for the IPv6 addresses of [IPv4Only], which only a DNS64 has.
// There is at least one prefix, or an error: a *net.DNSError, with IsNotFound if the
// network has no DNS64.
func NAT64Prefixes(ctx context.Context) ([]netip.Prefix, error) {
	addrs, err := Addrs(ctx, "ip6", IPv4Only+".")
	var dns *net.DNSError
	switch prefixes := NAT64PrefixesFrom(addrs); {
	case len(prefixes) > 0:
		return prefixes, nil
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		return nil, NotFound(IPv4Only, "this network has no DNS64 (RFC 7050)")
	}
	return nil, err
}

// IPv4Only is the name whose IPv6 addresses reveal the prefixes of a NAT64 (RFC 7050
// section 2.2).
const IPv4Only = "ipv4only.arpa"

// NAT64PrefixesFrom returns the prefixes of addrs, the IPv6 addresses of [IPv4Only]: the
// part of each that precedes the embedded IPv4 address. Only zeros may follow the IPv4
// address (RFC 6052 section 2.2), so there is only one place where it can be, even if the
// prefix contains the same bytes.
func NAT64PrefixesFrom(addrs []netip.Addr) (prefixes []netip.Prefix) {
	for _, a := range addrs {
		for _, bits := range nat64Lengths {
			p, err := a.Prefix(bits)
			if err != nil || slices.Contains(prefixes, p) {
				continue
			}
			for _, v4 := range ipv4onlyAddrs {
				if mapped, ok := NAT64Addr(p, v4); ok && mapped == a {
					prefixes = append(prefixes, p)
				}
			}
		}
	}
	return prefixes
}

// NAT64Addr returns the IPv6 address under which a NAT64 with that prefix reaches the
// IPv4 address v4 (RFC 6052 section 2.2). ok is false for addresses of this host or
// link (0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16), and for a prefix of a length that
// NAT64 does not have.
func NAT64Addr(prefix netip.Prefix, v4 netip.Addr) (addr netip.Addr, ok bool) {
	if !prefix.Addr().Is6() || !slices.Contains(nat64Lengths[:], prefix.Bits()) || !v4.Is4() ||
		v4.As4()[0] == 0 || v4.IsLoopback() || v4.IsLinkLocalUnicast() {
		return netip.Addr{}, false
	}
	a := prefix.Masked().Addr().As16()
	at := prefix.Bits() / 8
	for _, b := range v4.As4() {
		if at == 8 {
			at++ // bits 64 to 71 stay zero
		}
		a[at] = b
		at++
	}
	return netip.AddrFrom16(a), true
}
