//go:build unix

package helper

import (
	"fdrace/internal/engine"

	"golang.org/x/sys/unix"
)

// isOffline reports whether this machine has a route neither to the IPv4 nor to the IPv6
// internet. It sends nothing.
func isOffline() bool {
	return !hasRoute(unix.AF_INET, &unix.SockaddrInet4{Port: 53, Addr: engine.FarIPv4().As4()}) &&
		!hasRoute(unix.AF_INET6, &unix.SockaddrInet6{Port: 53, Addr: engine.FarIPv6().As16()})
}

// hasRoute reports whether connect(2) on a UDP socket finds a route.
func hasRoute(domain int, to unix.Sockaddr) bool {
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Connect(fd, to) == nil
}
