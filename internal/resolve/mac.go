package resolve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParseMAC reads the MAC address of a host: 00:00:07:cf:10:0a,
// 00-00-07-CF-10-0A or, as BSD's arp prints it, 0:0:7:cf:10:a. is says that
// word means one, and err what is wrong with it; an IPv6 address, and what may
// be a host name or have a port, are not one. With dashes only six times two
// hexadecimal digits are: everything else may be the name of a host.
func ParseMAC(word string) (mac net.HardwareAddr, is bool, err error) {
	if !strings.Contains(word, ":") {
		mac, err := net.ParseMAC(word)
		if err != nil || len(mac) != 6 || strings.Count(word, "-") != 5 {
			return nil, false, nil
		}
		return mac, true, checkMAC(word, mac)
	}
	groups := strings.Split(word, ":")
	if _, err := netip.ParseAddr(word); err == nil || !likeMAC(groups) {
		return nil, false, nil
	}
	for _, g := range groups[:min(6, len(groups))] {
		b, err := strconv.ParseUint(g, 16, 8)
		if err != nil {
			return nil, true, fmt.Errorf("%q is no MAC address: %q is not a byte in hexadecimal", word, g)
		}
		mac = append(mac, byte(b))
	}
	switch {
	case len(groups) == 7:
		return nil, true, fmt.Errorf("%q has seven parts, a MAC address six: a port of its own is written %s:%s", word, dashed(mac), groups[6])
	case len(groups) != 6:
		return nil, true, fmt.Errorf("%q has %d bytes, a MAC address has six, as in 00:00:07:cf:10:0a", word, len(groups))
	}
	return mac, true, checkMAC(word, mac)
}

// likeMAC tells a MAC address, and one with a slip in it, from the other things
// that are written with colons.
func likeMAC(groups []string) bool {
	if len(groups) < 3 {
		return false // host:port
	}
	for _, g := range groups[:min(6, len(groups))] {
		if len(g) < 1 || len(g) > 2 {
			return false
		}
	}
	return true
}

func checkMAC(word string, mac net.HardwareAddr) error {
	switch {
	case slices.Equal(mac, make(net.HardwareAddr, 6)):
		return fmt.Errorf("%q is no host's MAC address: it is all zeros", word)
	case mac[0]&1 != 0:
		return fmt.Errorf("%q is no host's MAC address: it is that of a group", word)
	}
	return nil
}

func dashed(mac net.HardwareAddr) string {
	return strings.ReplaceAll(mac.String(), ":", "-")
}

var linkLocalPrefix = netip.MustParsePrefix("fe80::/64")

// EUI64 returns the address under the /64 prefix that a host with that MAC
// address of six bytes gives itself by RFC 4291 appendix A, unless it prefers
// one that cannot be told (RFC 7217, RFC 8981).
func EUI64(prefix netip.Prefix, mac net.HardwareAddr) netip.Addr {
	a := prefix.Addr().As16()
	copy(a[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
	return netip.AddrFrom16(a)
}

// MACAddrs returns the addresses that the host with that MAC address may have, in
// one family: network is "ip4", "ip6", or "ip" for both. First come those under
// which it was last seen, then those that it has if it forms them by EUI64:
// link-local on each link, and under each /64 that this host is in.
//
// seen says how many of them the kernel's neighbour table has; with 0, SolicitNeighbor
// may find more. It sends nothing and waits for nothing. Without any address
// the error says why.
func MACAddrs(network string, mac net.HardwareAddr) (addrs []netip.Addr, seen int, err error) {
	all, err := links()
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(l link) bool { return !l.hasMACs() })
	if len(all) == 0 {
		return nil, 0, errNoLink
	}
	addrs, err = neighbours(network, mac)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, 0, err
	}
	seen = len(addrs)
	if network != "ip4" {
		addrs = append(addrs, formed(all, mac)...)
	}
	if len(addrs) == 0 {
		if err == nil {
			err = errors.New(`the neighbour table has none ("ip neigh" shows it)`)
		}
		return nil, 0, fmt.Errorf("addresses of %s: %w", mac, err)
	}
	return unique(addrs), seen, nil
}

var errNoLink = errors.New(`no network interface is up whose hosts have MAC addresses ("ip link" lists them)`)

// formed returns the addresses by EUI64.
func formed(all []link, mac net.HardwareAddr) (addrs []netip.Addr) {
	for _, l := range all {
		if l.hasIPv6() {
			addrs = append(addrs, EUI64(linkLocalPrefix, mac).WithZone(l.Name))
		}
	}
	for _, l := range all {
		for _, p := range l.addrs {
			if p.Addr().Is6() && p.Bits() == 64 && p.Addr().IsGlobalUnicast() {
				addrs = append(addrs, EUI64(p.Masked(), mac))
			}
		}
	}
	return addrs
}

// unique drops repetitions and keeps the order.
func unique(addrs []netip.Addr) []netip.Addr {
	var once []netip.Addr
	for _, a := range addrs {
		if !slices.Contains(once, a) {
			once = append(once, a)
		}
	}
	return once
}

// in says whether a is of the family that network, "ip", "ip4" or "ip6", names.
func in(network string, a netip.Addr) bool {
	return network == "ip" || a.Is4() == (network == "ip4")
}
