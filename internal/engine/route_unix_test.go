//go:build unix

package engine

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLocalAddr(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:127.0.0.1").As16()
	for _, tt := range []struct {
		domain int
		bind   unix.Sockaddr
		want   string
	}{
		{unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, "127.0.0.1"},
		{unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}, "::1"},
		{unix.AF_INET6, &unix.SockaddrInet6{Addr: mapped}, "127.0.0.1"},
		{unix.AF_UNIX, nil, "invalid IP"},
	} {
		fd, err := unix.Socket(tt.domain, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if tt.bind != nil {
			if err := unix.Bind(fd, tt.bind); err == unix.EADDRNOTAVAIL || err == unix.EINVAL {
				continue // a machine without IPv6, or a system without IPv4-mapped addresses
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if got := LocalAddr(fd).String(); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.bind, got, tt.want)
		}
	}
}
