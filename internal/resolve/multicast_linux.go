package resolve

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// joinGroup opens a socket that receives what is sent to the group on the interface with
// that index. It does not receive unicast packets, which a daemon on the same port would
// miss.
func joinGroup(group netip.AddrPort, index int) (*os.File, error) {
	domain := unix.AF_INET
	if group.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), group.String())
	if err := join(fd, group, index); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func join(fd int, group netip.AddrPort, index int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_REUSEADDR", err)
	}
	if group.Addr().Is6() {
		// A link-local address with a scope binds to the interface as well.
		local := &unix.SockaddrInet6{Addr: group.Addr().As16(), Port: int(group.Port()), ZoneId: uint32(index)}
		if err := unix.Bind(fd, local); err != nil {
			return os.NewSyscallError("bind", err)
		}
		request := &unix.IPv6Mreq{Multiaddr: local.Addr, Interface: uint32(index)}
		return os.NewSyscallError("setsockopt IPV6_JOIN_GROUP", unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, request))
	}
	local := &unix.SockaddrInet4{Addr: group.Addr().As4(), Port: int(group.Port())}
	if err := unix.Bind(fd, local); err != nil {
		return os.NewSyscallError("bind", err)
	}
	// Without it the socket receives from all groups that any socket has joined (ip(7)).
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
		return os.NewSyscallError("setsockopt IP_MULTICAST_ALL", err)
	}
	request := &unix.IPMreqn{Multiaddr: local.Addr, Ifindex: int32(index)}
	return os.NewSyscallError("setsockopt IP_ADD_MEMBERSHIP", unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, request))
}
