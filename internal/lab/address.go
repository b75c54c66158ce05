//go:build linux

package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Address gives the host further addresses, reached over every link. It is no error if
// it has some of them.
func (h *Host) Address(addresses ...netip.Addr) error {
	var present []net.Addr
	err := h.Do(func() error {
		lo, err := net.InterfaceByName("lo")
		if err == nil {
			present, err = lo.Addrs()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	var lines []string
	var missing []netip.Addr
	for _, a := range addresses {
		has := func(p net.Addr) bool { return p.(*net.IPNet).IP.Equal(a.AsSlice()) }
		if !slices.ContainsFunc(present, has) && !slices.Contains(missing, a) {
			missing = append(missing, a)
			lines = append(lines, fmt.Sprintf("address add %s dev lo nodad", a))
		}
	}
	return h.Configure(missing, lines...)
}

// Configure runs ip(8) commands that give the host addresses, and returns when it
// accepts packets to them. For IPv6 that is a moment after ip has exited, when a kernel
// thread adds the local route.
func (h *Host) Configure(addresses []netip.Addr, lines ...string) error {
	missing := map[netip.Addr]bool{}
	for _, a := range addresses {
		if a.Is6() {
			missing[a] = true
		}
	}
	var news int
	err := h.Do(func() (err error) {
		news, err = routeNews()
		return err
	})
	if err != nil {
		return fmt.Errorf("host %s: netlink: %w", h.Name, err)
	}
	defer unix.Close(news)
	if err := h.IP(lines...); err != nil {
		return err
	}
	for len(missing) > 0 {
		added, err := localRoutes(news)
		if err != nil {
			return fmt.Errorf("host %s: waiting for %v: %w", h.Name, missing, err)
		}
		for _, a := range added {
			delete(missing, a)
		}
	}
	return nil
}

// routeNews opens a netlink socket that receives changes of IPv6 routes, with a
// timeout.
func routeNews() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	patience := unix.Timeval{Sec: 10} // a kernel thread needs microseconds, on a busy machine some milliseconds
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_IPV6_ROUTE - 1)})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// localRoutes waits for a change, and returns the addresses that became local.
func localRoutes(news int) (added []netip.Addr, err error) {
	buf := make([]byte, 1<<16)
	var n int
	err = restart(func() (err error) {
		n, _, err = unix.Recvfrom(news, buf, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		const typeAt = 7 // in a struct rtmsg
		if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) <= typeAt || m.Data[typeAt] != unix.RTN_LOCAL {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, err
		}
		for _, attribute := range attributes {
			if a, ok := netip.AddrFromSlice(attribute.Value); ok && attribute.Attr.Type == unix.RTA_DST {
				added = append(added, a)
			}
		}
	}
	return added, nil
}
