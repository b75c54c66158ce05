//go:build unix

package helper

import "golang.org/x/sys/unix"

// isOffline reports whether this machine has no route to the IPv4 nor to the IPv6
// internet: to the root name server A. Nothing is sent.
func isOffline() bool {
	return !hasRoute(unix.AF_INET, &unix.SockaddrInet4{Port: 53, Addr: [4]byte{198, 41, 0, 4}}) &&
		!hasRoute(unix.AF_INET6, &unix.SockaddrInet6{Port: 53, Addr: [16]byte{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 12: 0, 13: 2, 14: 0, 15: 0x30}})
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
