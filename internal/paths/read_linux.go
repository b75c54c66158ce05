package paths

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

// read asks the kernel for the interfaces, their addresses, which package net
// gives without their flags, and the routes, which it does not give.
func read() (links []link, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		const want = net.FlagUp | net.FlagRunning
		if i.Flags&(want|net.FlagLoopback) == want {
			links = append(links, link{name: i.Name, index: i.Index})
		}
	}
	for _, question := range []struct {
		kind int
		take func(*syscall.NetlinkMessage, []link)
	}{
		{unix.RTM_GETADDR, takeAddress},
		{unix.RTM_GETROUTE, takeRoute},
	} {
		b, err := syscall.NetlinkRIB(question.kind, unix.AF_UNSPEC)
		if err != nil {
			return nil, os.NewSyscallError("netlink", err)
		}
		messages, err := syscall.ParseNetlinkMessage(b)
		if err != nil {
			return nil, os.NewSyscallError("netlink", err)
		}
		for i := range messages {
			question.take(&messages[i], links)
		}
	}
	return links, nil
}

// byIndex returns the one of links, or nil.
func byIndex(links []link, index int) *link {
	for i := range links {
		if links[i].index == index {
			return &links[i]
		}
	}
	return nil
}

// temporary are the flags of an address that an endpoint should not have. Of IPv4
// the first means something else.
const temporary = unix.IFA_F_TEMPORARY | unix.IFA_F_DEPRECATED | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED

// takeAddress reads a struct ifaddrmsg and the attributes after it.
func takeAddress(m *syscall.NetlinkMessage, links []link) {
	if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
		return
	}
	p := byIndex(links, int(int32(binary.NativeEndian.Uint32(m.Data[4:]))))
	if p == nil {
		return
	}
	var local, addr netip.Addr
	flags := uint32(m.Data[2])
	_ = netlink.Attributes(m.Data[unix.SizeofIfAddrmsg:], func(kind uint16, value []byte) bool {
		switch kind {
		case unix.IFA_LOCAL: // this end's, of two that are joined
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_ADDRESS:
			addr, _ = netip.AddrFromSlice(value)
		case unix.IFA_FLAGS:
			if len(value) == 4 {
				flags = binary.NativeEndian.Uint32(value)
			}
		}
		return true
	})
	if local.IsValid() {
		addr = local
	}
	if addr.Is4() {
		flags &^= unix.IFA_F_SECONDARY
	}
	if addr.IsValid() {
		p.addrs = append(p.addrs, address{addr, flags&temporary != 0})
	}
}

// takeRoute reads a struct rtmsg and the attributes after it.
func takeRoute(m *syscall.NetlinkMessage, links []link) {
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
		return
	}
	family, prefix, kind := m.Data[0], m.Data[1], m.Data[7]
	if prefix != 0 || kind != unix.RTN_UNICAST {
		return
	}
	leads := func(index []byte) {
		p := byIndex(links, int(int32(binary.NativeEndian.Uint32(index))))
		switch {
		case p == nil:
		case family == unix.AF_INET:
			p.gateway = true
		case family == unix.AF_INET6:
			p.gatewayIP6 = true
		}
	}
	_ = netlink.Attributes(m.Data[unix.SizeofRtMsg:], func(kind uint16, value []byte) bool {
		switch {
		case kind == unix.RTA_OIF && len(value) == 4:
			leads(value)
		case kind == unix.RTA_MULTIPATH:
			_ = netlink.Records(value, unix.SizeofRtNexthop, func(hop []byte) bool {
				leads(hop[4:])
				return true
			})
		}
		return true
	})
}
