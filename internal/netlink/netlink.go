//go:build linux

// Package netlink reads and writes the attributes of netlink(7) messages.
package netlink

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// headerSize is that of struct nlattr, and of struct rtattr: a length and a type.
const headerSize = unix.SizeofNlAttr

// ErrMalformed is the error of bytes that are not what they should be.
var ErrMalformed = errors.New("malformed answer over netlink")

// Attributes calls take with each attribute of b: its type without the flags (nested,
// byte order), and its value, which shares memory with b. It returns ErrMalformed at the
// first that is none, or of which take returns false. (Those of package syscall panic
// where the last one is not padded.)
func Attributes(b []byte, take func(kind uint16, value []byte) bool) error {
	return Records(b, headerSize, func(r []byte) bool {
		kind := binary.NativeEndian.Uint16(r[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		return take(kind, r[headerSize:])
	})
}

// Records is Attributes for any structs that begin with their own length as a uint16, of
// at least size, and are aligned to 4 bytes. The record has its header.
func Records(b []byte, size int, take func(record []byte) bool) error {
	for len(b) >= size {
		n := int(binary.NativeEndian.Uint16(b))
		if n < size || n > len(b) || !take(b[:n]) {
			return ErrMalformed
		}
		b = b[min(len(b), aligned(n)):]
	}
	if len(b) > 0 {
		return ErrMalformed
	}
	return nil
}

// Append appends an attribute, padded.
func Append(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(headerSize+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, aligned(len(value))-len(value))...)
}

// aligned is n rounded up to where the next attribute begins.
func aligned(n int) int { return (n + unix.NLA_ALIGNTO - 1) &^ (unix.NLA_ALIGNTO - 1) }
