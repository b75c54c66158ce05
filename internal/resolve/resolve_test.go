package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestAddrs(t *testing.T) {
	addrs, err := Addrs(context.Background(), "ip4", "localhost")
	if want := netip.MustParseAddr("127.0.0.1"); err != nil || !slices.Contains(addrs, want) {
		t.Errorf("localhost is %v, %v; want %v among them, as IPv4", addrs, err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var dns *net.DNSError
	if addrs, err := Addrs(ctx, "ip4", "host.invalid"); !errors.As(err, &dns) {
		t.Errorf("host.invalid, canceled: %v, %v; want a *net.DNSError", addrs, err)
	}
}
