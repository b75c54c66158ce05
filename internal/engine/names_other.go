//go:build unix && !linux

package engine

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// names looks nothing up here: the system's resolver knows more than
// resolv.conf, and package resolve asks it.
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

// source returns the address from which a would be connected to, or one that is
// not valid: there is no route. It asks the kernel, and sends nothing. IPv4 from a
// link-local address to anything else does not count as a route: no router passes
// it on (RFC 3927 section 2.7).
func (d *Dialer) source(a netip.Addr) (source netip.Addr) {
	if d.Bind.IsValid() {
		return d.Bind
	}
	domain := unix.AF_INET
	if a.Is6() {
		domain = unix.AF_INET6
	}
	// One for each: a socket that was connected keeps its source.
	fd, err := newSocket(domain, unix.SOCK_DGRAM)
	if err != nil {
		return source
	}
	defer unix.Close(fd)
	if d.Interface != "" {
		_ = bindToDevice(fd, d.Interface) // the attempt will say why not
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
