package resolve

import (
	"encoding/binary"
	"net"
	"syscall"

	"fdrace/internal/netlink"
)

// Of rtnetlink, which package syscall does not have (Linux 5.5).
const (
	iflaPropList  = 52
	iflaAltIfname = 53
)

// InterfaceByName finds an interface by its name, or an alternative one (see
// ip-link(8), property). Name is the first in either case.
func InterfaceByName(name string) (*net.Interface, error) {
	i, err := net.InterfaceByName(name)
	if err == nil || name == "" {
		return i, err
	}
	table, tableErr := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if tableErr != nil {
		return nil, err
	}
	messages, tableErr := syscall.ParseNetlinkMessage(table)
	if tableErr != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		found := false
		_ = netlink.Attributes(m.Data[syscall.SizeofIfInfomsg:], func(kind uint16, value []byte) bool {
			found = found || kind == iflaPropList && hasAltName(value, name)
			return true
		})
		if found {
			return net.InterfaceByIndex(ifIndex(m.Data))
		}
	}
	return nil, err
}

// ifIndex is ifi_index of struct ifinfomsg.
func ifIndex(b []byte) int {
	return int(binary.NativeEndian.Uint32(b[4:8]))
}

// hasAltName looks for name in a list of attributes whose values are texts that end in
// NUL.
func hasAltName(list []byte, name string) (found bool) {
	_ = netlink.Attributes(list, func(kind uint16, value []byte) bool {
		found = found || kind == iflaAltIfname && string(value) == name+"\x00"
		return true
	})
	return found
}
