// Package netlink parses the attributes of messages of the kernel, netlink(7).
// It has no sockets: reading a table is syscall.NetlinkRIB's task.
package netlink

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed means that a length in a message does not fit the message, or
// that a value does not have the length that its type has.
var ErrMalformed = errors.New("malformed netlink message")

const (
	headerSize = 4 // struct nlattr and struct rtattr: two bytes of length, two of type
	alignment  = 4 // NLA_ALIGNTO, RTA_ALIGNTO and RTNH_ALIGNTO

	// typeMask leaves out the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER.
	typeMask = 1<<14 - 1
)

// EachAttribute calls take with the type and the payload of each attribute in b,
// until take returns false. It returns ErrMalformed if take did, or if what follows
// is not an attribute. The last attribute need not be padded, at which the parser of
// package syscall panics.
func EachAttribute(b []byte, take func(kind uint16, value []byte) bool) error {
	return EachRecord(b, headerSize, func(r []byte) bool {
		return take(binary.NativeEndian.Uint16(r[2:])&typeMask, r[headerSize:])
	})
}

// EachRecord is like EachAttribute for structures with a longer header that begins
// with the same two bytes of length, such as struct rtnexthop. The length covers
// the header, which is passed to take as well.
func EachRecord(b []byte, header int, take func(record []byte) bool) error {
	for len(b) > 0 {
		if len(b) < header {
			return ErrMalformed
		}
		size := int(binary.NativeEndian.Uint16(b))
		if size < header || size > len(b) || !take(b[:size]) {
			return ErrMalformed
		}
		b = b[min(len(b), (size+alignment-1)&^(alignment-1)):]
	}
	return nil
}
