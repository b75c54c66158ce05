//go:build linux

package netlink

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttributes(t *testing.T) {
	two := Append(Append(nil, 1|unix.NLA_F_NESTED, []byte("abc")), 2, nil)
	for _, tt := range []struct {
		name string
		b    []byte
		want string
		err  error
	}{
		{"none", nil, "", nil},
		{"two", two, "abc..", nil},
		{"no padding at the end", Append(nil, 1, []byte("abc"))[:7], "abc.", nil},
		{"half a header", two[:10], "abc.", ErrMalformed},
		{"longer than there is", two[:6], "", ErrMalformed},
		{"shorter than its header", []byte{3, 0, 1, 0}, "", ErrMalformed},
	} {
		var got []byte
		err := Attributes(tt.b, func(kind uint16, value []byte) bool {
			got = append(append(got, value...), '.')
			return kind == 1 || kind == 2
		})
		if string(got) != tt.want || err != tt.err {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	if err := Attributes(two, func(uint16, []byte) bool { return false }); err != ErrMalformed {
		t.Errorf("an attribute that is refused: %v", err)
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add(Append(Append(nil, 1, []byte("abc")), 2, nil))
	f.Add([]byte{5, 0, 1, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		err := Attributes(b, func(kind uint16, value []byte) bool {
			again = Append(again, kind, value)
			return true
		})
		if err == nil && len(again) < len(b) {
			t.Errorf("%q: only %q", b, again)
		}
		var third []byte
		if err := Attributes(again, func(kind uint16, value []byte) bool {
			third = Append(third, kind, value)
			return true
		}); err != nil || !bytes.Equal(third, again) {
			t.Errorf("%q: %v, %q", again, err, third)
		}
	})
}
