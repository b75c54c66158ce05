package resolve

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

// Network returns a text that identifies the network of a socket whose local address is
// local: the name of the interface, and the MAC address of its gateway, or the IP address if
// the kernel does not know the MAC address. It returns "" if there is no such interface.
// index is the index of the interface, or 0 to find the interface by local.
func Network(local netip.Addr, index int) string {
	if index == 0 {
		index = indexOf(local)
	}
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return ""
	}
	gateways := map[netip.Addr]bool{}
	each(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, func(m []byte) {
		if gateway, by := parseGateway(m); by == index {
			gateways[gateway] = true
		}
	})
	mac, address := "", ""
	each(unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, func(m []byte) {
		n, ok := parseNeighbor(m)
		if ok && n.ifIndex == index && gateways[n.addr] && (mac == "" || n.addr.Is4()) {
			mac = n.mac.String()
		}
	})
	if mac == "" {
		for gateway := range gateways {
			if address == "" || gateway.String() < address {
				address = gateway.String()
			}
		}
	}
	return i.Name + "/" + mac + address
}

// each sends the kernel a request for a dump, and calls take with each message of the answer
// that is of this kind.
func each(request, kind int, take func(m []byte)) {
	b, err := syscall.NetlinkRIB(request, unix.AF_UNSPEC)
	if err != nil {
		return
	}
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return
	}
	for _, m := range messages {
		if int(m.Header.Type) == kind {
			take(m.Data)
		}
	}
}

// indexOf returns the index of the interface that has addr, or 0.
func indexOf(addr netip.Addr) (index int) {
	each(unix.RTM_GETADDR, unix.RTM_NEWADDR, func(m []byte) {
		if len(m) < unix.SizeofIfAddrmsg {
			return
		}
		_ = netlink.Attributes(m[unix.SizeofIfAddrmsg:], func(kind uint16, value []byte) bool {
			a, _ := netip.AddrFromSlice(value)
			if (kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS) && a == addr && index == 0 {
				index = int(binary.NativeEndian.Uint32(m[4:]))
			}
			return true
		})
	})
	return index
}

// parseGateway parses a struct rtmsg and the attributes after it. For a default route with
// one gateway it returns the gateway and the index of the interface, and otherwise 0.
func parseGateway(m []byte) (gateway netip.Addr, index int) {
	if len(m) < unix.SizeofRtMsg || m[1] != 0 || m[7] != unix.RTN_UNICAST {
		return gateway, 0
	}
	_ = netlink.Attributes(m[unix.SizeofRtMsg:], func(kind uint16, value []byte) bool {
		switch {
		case kind == unix.RTA_GATEWAY:
			gateway, _ = netip.AddrFromSlice(value)
		case kind == unix.RTA_OIF && len(value) == 4:
			index = int(binary.NativeEndian.Uint32(value))
		}
		return true
	})
	if !gateway.IsValid() {
		return gateway, 0
	}
	return gateway, index
}
