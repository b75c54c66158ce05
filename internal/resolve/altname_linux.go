package resolve

import (
	"encoding/binary"
	"net"
	"syscall"

	"fdrace/internal/netlink"
)

// Attributes of a link that package syscall does not define (Linux 5.5).
const (
	iflaPropList  = 52
	iflaAltIfname = 53
)

// InterfaceByName returns the interface with that name or that alternative name
// (ip-link(8), property). The Name of the result is never an alternative one. The error
// is that of [net.InterfaceByName].
func InterfaceByName(name string) (*net.Interface, error) {
	i, err := net.InterfaceByName(name)
	if err == nil || name == "" {
		return i, err
	}
	table, tableErr := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if tableErr != nil {
		return nil, err
	}
	if index, ok := indexByAltName(table, name); ok {
		return net.InterfaceByIndex(index)
	}
	return nil, err
}

// indexByAltName returns the index of the interface that has the alternative name
// in the messages of a dump of all links.
func indexByAltName(messages []byte, name string) (index int, ok bool) {
	all, err := syscall.ParseNetlinkMessage(messages)
	if err != nil {
		return 0, false
	}
	for _, m := range all {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		_ = netlink.Attributes(m.Data[syscall.SizeofIfInfomsg:], func(kind uint16, value []byte) bool {
			ok = kind == iflaPropList && hasAltName(value, name)
			return !ok
		})
		if ok {
			return int(int32(binary.NativeEndian.Uint32(m.Data[4:]))), true // ifi_index
		}
	}
	return 0, false
}

// hasAltName reports whether name is in a list of properties, whose strings end in NUL.
func hasAltName(list []byte, name string) (ok bool) {
	_ = netlink.Attributes(list, func(kind uint16, value []byte) bool {
		ok = kind == iflaAltIfname && string(value) == name+"\x00"
		return !ok
	})
	return ok
}
