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

// ParseMAC parses the MAC address of a host: 00:00:07:cf:10:0a, 00-00-07-CF-10-0A,
// or 0:0:7:cf:10:a as BSD's arp prints it. ok reports whether word is meant as one,
// and err what is wrong with it. A word that may be an IPv6 address, a host name or
// host:port is not one: with dashes, it must have six times two hexadecimal digits.
func ParseMAC(word string) (mac net.HardwareAddr, ok bool, err error) {
	if !strings.Contains(word, ":") {
		mac, err := net.ParseMAC(word)
		if err != nil || len(mac) != 6 || strings.Count(word, "-") != 5 {
			return nil, false, nil
		}
		return mac, true, checkMAC(word, mac)
	}
	groups := strings.Split(word, ":")
	if _, err := netip.ParseAddr(word); err == nil || !resemblesMAC(groups) {
		return nil, false, nil
	}
	for _, g := range groups[:min(6, len(groups))] {
		b, err := strconv.ParseUint(g, 16, 8)
		if err != nil {
			return nil, true, fmt.Errorf("%q is not a MAC address: %q is not a byte in hexadecimal", word, g)
		}
		mac = append(mac, byte(b))
	}
	switch {
	case len(groups) == 7:
		return nil, true, fmt.Errorf("%q has seven parts, a MAC address six: a port of its own is written %s:%s", word, dashed(mac), groups[6])
	case len(groups) != 6:
		return nil, true, fmt.Errorf("%q has %d bytes, a MAC address has six, as in 00:00:5e:00:53:07", word, len(groups))
	}
	return mac, true, checkMAC(word, mac)
}

// resemblesMAC reports whether groups, the parts between colons, are those of a MAC
// address, possibly one with a typing error, and of nothing else that has colons.
func resemblesMAC(groups []string) bool {
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
		return fmt.Errorf("%q is not the MAC address of a host: it is all zeros", word)
	case mac[0]&1 != 0:
		return fmt.Errorf("%q is not the MAC address of a host: it is that of a group", word)
	}
	return nil
}

func dashed(mac net.HardwareAddr) string {
	return strings.ReplaceAll(mac.String(), ":", "-")
}

var linkLocalPrefix = netip.MustParsePrefix("fe80::/64")

// EUI64 returns the address that a host with that MAC address of six bytes forms
// under the /64 prefix by RFC 4291 appendix A. Many hosts use addresses that cannot
// be derived from the MAC address instead (RFC 7217, RFC 8981).
func EUI64(prefix netip.Prefix, mac net.HardwareAddr) netip.Addr {
	a := prefix.Addr().As16()
	copy(a[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
	return netip.AddrFrom16(a)
}

// MACAddrs returns the addresses that the host with that MAC address may have, in one
// family: network is "ip4", "ip6", or "ip" for both. Those in the kernel's neighbor
// table come first, and seen is their number; SolicitNeighbor may find more. Those
// formed by EUI64 follow: a link-local one for each link, and one for each /64 of
// this host.
//
// MACAddrs sends nothing and does not block. There is at least one address, or an
// error that says why.
func MACAddrs(network string, mac net.HardwareAddr) (addrs []netip.Addr, seen int, err error) {
	all, err := links()
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(l link) bool { return !l.hasMACs() })
	if len(all) == 0 {
		return nil, 0, errNoLink
	}
	addrs, err = neighbors(network, mac)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, 0, err
	}
	seen = len(addrs)
	if network != "ip4" {
		addrs = append(addrs, eui64Addrs(all, mac)...)
	}
	if len(addrs) == 0 {
		if err == nil {
			err = errors.New(`the neighbor table has none ("ip neigh" shows it)`)
		}
		return nil, 0, fmt.Errorf("addresses of %s: %w", mac, err)
	}
	return unique(addrs), seen, nil
}

var errNoLink = errors.New(`no network interface is up whose hosts have MAC addresses ("ip link" lists them)`)

// eui64Addrs returns the addresses that a host on one of the links may have formed.
func eui64Addrs(all []link, mac net.HardwareAddr) (addrs []netip.Addr) {
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

// unique returns addrs without repetitions.
func unique(addrs []netip.Addr) []netip.Addr {
	var once []netip.Addr
	for _, a := range addrs {
		if !slices.Contains(once, a) {
			once = append(once, a)
		}
	}
	return once
}

// inFamily reports whether a is of the family of network: "ip", "ip4" or "ip6".
func inFamily(network string, a netip.Addr) bool {
	return network == "ip" || a.Is4() == (network == "ip4")
}
