// Package resolve turns targets that are not plain host names into addresses: names
// of Multicast DNS, MAC addresses, link-local addresses, SRV records, machines,
// Unix-domain and vsock sockets. It also learns the prefix of a NAT64. On Linux, package
// stub looks up names in DNS; Addrs is for other systems, and for what package stub does
// not do.
//
// Whatever a daemon, a responder or a name server sends is untrusted: replies are
// read up to a limit, and errors quote them sanitized and cut (see package term).
package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// resolver is Go's own, even with cgo: a lookup by libc cannot be cancelled, and occupies
// a thread.
var resolver = net.Resolver{PreferGo: true, Dial: dialUntil}

// dial connects to a name server.
var dial = new(net.Dialer).DialContext

// dialUntil dials, and closes the connection when ctx ends: while the resolver waits
// for an answer, up to 5 s, it does not look at its context.
func dialUntil(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err == nil {
		context.AfterFunc(ctx, func() { conn.Close() })
	}
	return conn, err
}

// Addrs returns the addresses of host in one family: network is "ip4" or "ip6". It
// reads /etc/hosts and asks the servers of /etc/resolv.conf, and sorts by RFC 6724.
// There is at least one address, or an error: a *net.DNSError, with IsNotFound if
// host has none.
func Addrs(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := resolver.LookupNetIP(ctx, network, host)
	var none *net.AddrError // /etc/hosts has host, but not in this family
	if errors.As(err, &none) || err == nil && len(addrs) == 0 {
		return nil, &net.DNSError{Err: NoSuchHost, Name: host, IsNotFound: true}
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, err
}
