package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// attribute returns one with its padding.
func attribute(kind uint16, value string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(headerSize+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, (alignment-len(b)%alignment)%alignment)...)
}

// list returns what EachAttribute makes of b; it stops at the value "stop".
func list(b []byte) (s string, err error) {
	err = EachAttribute(b, func(kind uint16, value []byte) bool {
		s += fmt.Sprintf("%d:%s ", kind, value)
		return string(value) != "stop"
	})
	return s, err
}

func TestEachAttribute(t *testing.T) {
	const nested, byteOrder = 1 << 15, 1 << 14
	whole := append(attribute(1, "a"), attribute(2|nested|byteOrder, "bcde")...)
	length := func(n uint16) []byte { return binary.NativeEndian.AppendUint16(nil, n) }
	for _, c := range []struct {
		name, want string
		b          []byte
		malformed  bool
	}{
		{"none", "", nil, false},
		{"two, the first padded", "1:a 2:bcde ", whole, false},
		{"empty value", "1: ", attribute(1, ""), false},
		{"last one not padded", "2:bcde 1:a ", append(attribute(2, "bcde"), attribute(1, "a")[:5]...), false},
		{"header cut off", "1:a ", whole[:8+3], true},
		{"value cut off", "1:a ", whole[:len(whole)-1], true},
		{"shorter than its header", "", append(length(3), 0, 0), true},
		{"of length 0, which would loop", "", append(length(0), 0, 0, 0, 0), true},
		{"stopped", "1:stop ", append(attribute(1, "stop"), whole...), true},
	} {
		s, err := list(c.b)
		if s != c.want || errors.Is(err, ErrMalformed) != c.malformed {
			t.Errorf("%s: %q, %v; want %q, malformed %v", c.name, s, err, c.want, c.malformed)
		}
	}
}

func TestEachRecord(t *testing.T) {
	hop := append(binary.NativeEndian.AppendUint16(nil, 10), "123456xy\x00\x00"...)
	hop = append(hop, append(binary.NativeEndian.AppendUint16(nil, 8), "abcdef"...)...)
	var got []string
	take := func(r []byte) bool { got = append(got, string(r[2:])); return true }
	if err := EachRecord(hop, 8, take); err != nil || fmt.Sprint(got) != "[123456xy abcdef]" {
		t.Errorf("%q, %v", got, err)
	}
	if err := EachRecord(hop[:7], 8, take); !errors.Is(err, ErrMalformed) {
		t.Errorf("half a header: %v", err)
	}
}

func FuzzEachAttribute(f *testing.F) {
	f.Add(append(attribute(1, "a"), attribute(2, "bcde")...))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{5, 0, 1, 0, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		size, padding := 0, 0
		err := EachAttribute(b, func(_ uint16, value []byte) bool {
			size += headerSize + len(value)
			padding += alignment - 1
			return true
		})
		if size > len(b) || err == nil && size+padding < len(b) {
			t.Fatalf("%d bytes of attributes in %d, %v", size, len(b), err)
		}
	})
}
