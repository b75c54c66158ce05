// Package resolve finds out what a target means: the addresses behind what a
// person has written.
package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// resolver is Go's own, never libc's, whether or not cgo is there: a lookup by
// libc cannot be cancelled, and keeps a thread.
var resolver = net.Resolver{PreferGo: true, Dial: dialUntil}

// dial is how a name server is reached.
var dial = new(net.Dialer).DialContext

// dialUntil closes the connection when ctx ends. The resolver waits for an
// answer without a look at its context, for up to 5 s.
func dialUntil(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err == nil {
		context.AfterFunc(ctx, func() { conn.Close() })
	}
	return conn, err
}

// Addrs returns the addresses of host in one family: network is "ip4" or
// "ip6". It reads /etc/hosts and asks the servers of /etc/resolv.conf, and
// sorts by RFC 6724. There is at least one address, or an error: a
// *net.DNSError, with IsNotFound where host has none.
func Addrs(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := resolver.LookupNetIP(ctx, network, host)
	var none *net.AddrError // /etc/hosts has host, but not in this family
	if errors.As(err, &none) || err == nil && len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, err
}
