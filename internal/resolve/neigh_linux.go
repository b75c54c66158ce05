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

// neighbours returns the addresses at which the kernel last saw mac.
func neighbours(network string, mac net.HardwareAddr) ([]netip.Addr, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, unix.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("read the neighbour table: netlink", err)
	}
	return seenIn(table, network, mac), nil
}

// seenIn returns the addresses that mac has in messages of rtnetlink(7).
func seenIn(messages []byte, network string, mac net.HardwareAddr) (addrs []netip.Addr) {
	all, err := syscall.ParseNetlinkMessage(messages)
	if err != nil {
		return nil
	}
	for _, m := range all {
		if m.Header.Type != unix.RTM_NEWNEIGH {
			continue
		}
		n, ok := parseNeighbour(m.Data)
		if ok && slices.Equal(n.mac, mac) && in(network, n.addr) {
			addrs = append(addrs, scoped(n.addr, n.index))
		}
	}
	return addrs
}

// A neighbour is a line of the table whose MAC address is known and not known
// to be out of date.
type neighbour struct {
	index int // of the interface
	addr  netip.Addr
	mac   net.HardwareAddr
}

// valid are the states with a MAC address that somebody may still have, but for
// NUD_NOARP, which multicast addresses are in.
const valid = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT

// parseNeighbour reads a struct ndmsg and the attributes after it.
func parseNeighbour(m []byte) (n neighbour, ok bool) {
	if len(m) < unix.SizeofNdMsg {
		return n, false
	}
	n.index = int(int32(binary.NativeEndian.Uint32(m[4:])))
	state := binary.NativeEndian.Uint16(m[8:])
	if netlink.Attributes(m[unix.SizeofNdMsg:], func(kind uint16, value []byte) bool {
		switch kind {
		case unix.NDA_DST:
			n.addr, _ = netip.AddrFromSlice(value)
		case unix.NDA_LLADDR:
			n.mac = value
		}
		return true
	}) != nil {
		return n, false
	}
	return n, state&valid != 0 && n.addr.IsValid() && len(n.mac) > 0
}
