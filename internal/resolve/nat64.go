package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// wellKnown are the IPv4 addresses of ipv4only.arpa, and of nobody else (RFC
// 7050 section 2.2).
var wellKnown = [2]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}

// nat64Lengths are those that a prefix can have (RFC 6052 section 2.2).
var nat64Lengths = [...]int{32, 40, 48, 56, 64, 96}

// NAT64Prefixes returns the prefixes under which this network's NAT64 reaches IPv4
// (RFC 7050): it asks for the IPv6 addresses of ipv4only.arpa, which has none
// but those that a DNS64 makes up. There is at least one, or an error: a
// *net.DNSError, with IsNotFound where there is no DNS64.
func NAT64Prefixes(ctx context.Context) ([]netip.Prefix, error) {
	addrs, err := Addrs(ctx, "ip6", IPv4Only+".")
	var dns *net.DNSError
	switch prefixes := NAT64PrefixesFrom(addrs); {
	case len(prefixes) > 0:
		return prefixes, nil
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		return nil, NotFound(IPv4Only, "no DNS64 on this network tells its prefix (RFC 7050)")
	}
	return nil, err
}

// IPv4Only is the name whose IPv6 addresses tell the prefixes of a NAT64 (RFC
// 7050 section 2.2).
const IPv4Only = "ipv4only.arpa"

// NAT64PrefixesFrom returns the prefixes below which addrs, those of [IPv4Only], have a
// well-known address. Each has it at one place at the most: nothing but zeros may follow (RFC 6052
// section 2.2), and so what looks like one inside a prefix is none.
func NAT64PrefixesFrom(addrs []netip.Addr) (prefixes []netip.Prefix) {
	for _, a := range addrs {
		for _, bits := range nat64Lengths {
			p, err := a.Prefix(bits)
			if err != nil || slices.Contains(prefixes, p) {
				continue
			}
			for _, v4 := range wellKnown {
				if mapped, ok := NAT64Addr(p, v4); ok && mapped == a {
					prefixes = append(prefixes, p)
				}
			}
		}
	}
	return prefixes
}

// NAT64Addr returns the IPv6 address by which a NAT64 with that prefix reaches the
// IPv4 address v4 (RFC 6052 section 2.2). Addresses that mean this host or this
// link, 0.0.0.0/8, 127.0.0.0/8 and 169.254.0.0/16, have none.
func NAT64Addr(prefix netip.Prefix, v4 netip.Addr) (netip.Addr, bool) {
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
