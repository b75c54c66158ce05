package resolve

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

// neighbors returns the addresses of mac in the kernel's neighbor table.
func neighbors(network string, mac net.HardwareAddr) ([]netip.Addr, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, unix.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("read the neighbor table: netlink", err)
	}
	return neighborAddrs(table, network, mac), nil
}

// neighborAddrs returns the addresses of mac in the messages of a dump of the
// neighbor table, or of a notification (rtnetlink(7), RTM_NEWNEIGH).
func neighborAddrs(messages []byte, network string, mac net.HardwareAddr) (addrs []netip.Addr) {
	all, err := syscall.ParseNetlinkMessage(messages)
	if err != nil {
		return nil
	}
	for _, m := range all {
		if m.Header.Type != unix.RTM_NEWNEIGH {
			continue
		}
		n, ok := parseNeighbor(m.Data)
		if ok && slices.Equal(n.mac, mac) && inFamily(network, n.addr) {
			addrs = append(addrs, scoped(n.addr, n.ifIndex))
		}
	}
	return addrs
}

// A neighbor is an entry of the neighbor table.
type neighbor struct {
	ifIndex int
	addr    netip.Addr
	mac     net.HardwareAddr
}

// validStates are the states of an entry whose MAC address was confirmed at some time.
// NUD_NOARP is not one of them: it marks multicast addresses.
const validStates = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT

// parseNeighbor parses a struct ndmsg and its attributes. ok reports whether the
// entry is in a valid state and complete.
func parseNeighbor(m []byte) (n neighbor, ok bool) {
	if len(m) < unix.SizeofNdMsg {
		return n, false
	}
	n.ifIndex = int(int32(binary.NativeEndian.Uint32(m[4:])))
	state := binary.NativeEndian.Uint16(m[8:])
	err := netlink.Attributes(m[unix.SizeofNdMsg:], func(kind uint16, value []byte) bool {
		switch kind {
		case unix.NDA_DST:
			n.addr, _ = netip.AddrFromSlice(value)
		case unix.NDA_LLADDR:
			n.mac = value
		}
		return true
	})
	return n, err == nil && state&validStates != 0 && n.addr.IsValid() && len(n.mac) > 0
}
