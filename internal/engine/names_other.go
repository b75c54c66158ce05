//go:build unix && !linux

package engine

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// names does nothing on these systems: their resolvers use more than resolv.conf, and
// package resolve looks names up.
type names struct{ answers []answer }

func (*names) begin(question) bool             { return false }
func (*names) step(*kernel) time.Duration      { return never }
func (*names) take(int) bool                   { return false }
func (*names) receive(*kernel)                 {}
func (*names) refresh()                        {}
func (*names) close(*kernel)                   {}
func (*names) abandon(*kernel, question) error { return nil }

// Sort leaves the order to the system's resolver.
func (k *kernel) Sort([]netip.Addr) {}

// source returns the local address from which the kernel would connect to a, or one that
// is not valid if there is no route. It sends nothing. A route from a link-local IPv4
// address to any other does not count: no router forwards such packets (RFC 3927 section
// 2.7).
func (d *Dialer) source(a netip.Addr) (source netip.Addr) {
	if d.Bind.IsValid() {
		return d.Bind
	}
	domain := unix.AF_INET
	if a.Is6() {
		domain = unix.AF_INET6
	}
	// Each call has its own socket: one that was connected keeps its source address.
	fd, err := newSocket(domain, unix.SOCK_DGRAM)
	if err != nil {
		return source
	}
	defer unix.Close(fd)
	if d.Interface != "" {
		_ = bindToDevice(fd, d.Interface) // if this fails, so will the attempt
	}
	sa, err := sockaddr(Addr{AddrPort: netip.AddrPortFrom(a, 53)})
	if err != nil || unix.Connect(fd, sa) != nil {
		return source
	}
	source = LocalAddr(fd)
	if isLinkLocal4(source) && !isLinkLocal4(a) {
		return netip.Addr{}
	}
	return source
}
