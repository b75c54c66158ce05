package resolve

import (
	"encoding/binary"
	"net"
	"syscall"
)

// Of rtnetlink, which package syscall does not have (Linux 5.5).
const (
	iflaPropList   = 52
	iflaAltIfname  = 53
	nestedAttr     = 1 << 15 // NLA_F_NESTED
	attrHeaderSize = 4
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
		attrs, attrErr := syscall.ParseNetlinkRouteAttr(&m)
		if attrErr != nil {
			continue
		}
		for _, a := range attrs {
			if a.Attr.Type&^nestedAttr == iflaPropList && hasAltName(a.Value, name) {
				return net.InterfaceByIndex(ifIndex(m.Data))
			}
		}
	}
	return nil, err
}

// ifIndex is ifi_index of struct ifinfomsg.
func ifIndex(b []byte) int {
	return int(binary.NativeEndian.Uint32(b[4:8]))
}

// hasAltName looks for name in a list of attributes, each with its length, its type,
// and a text that ends in NUL.
func hasAltName(list []byte, name string) bool {
	for len(list) >= attrHeaderSize {
		size := int(binary.NativeEndian.Uint16(list[0:2]))
		if size < attrHeaderSize || size > len(list) {
			return false
		}
		if binary.NativeEndian.Uint16(list[2:4])&^nestedAttr == iflaAltIfname && string(list[attrHeaderSize:size]) == name+"\x00" {
			return true
		}
		list = list[min(len(list), (size+3)&^3):]
	}
	return false
}
