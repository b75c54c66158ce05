package resolve

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

var testMAC = net.HardwareAddr{0, 0, 7, 0xcf, 0x10, 0x0a}

// neighborMessage returns what the kernel sends about one neighbor, on an interface
// with an index that does not exist.
func neighborMessage(state uint16, addr netip.Addr, mac []byte) []byte {
	e := binary.NativeEndian
	attr := func(b []byte, kind uint16, value []byte) []byte {
		b = e.AppendUint16(b, uint16(4+len(value)))
		b = e.AppendUint16(b, kind)
		b = append(b, value...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	m := make([]byte, unix.SizeofNdMsg)
	e.PutUint32(m[4:], 1<<30)
	e.PutUint16(m[8:], state)
	m = attr(m, unix.NDA_DST, addr.AsSlice())
	m = attr(m, 99, []byte("unknown"))
	if mac != nil {
		m = attr(m, unix.NDA_LLADDR, mac)
	}
	head := e.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(m)))
	head = e.AppendUint16(head, unix.RTM_NEWNEIGH)
	return append(append(head, make([]byte, 10)...), m...)
}

func TestNeighborAddrs(t *testing.T) {
	v4, v6, local := netip.MustParseAddr("192.168.1.65"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1")
	other := net.HardwareAddr{0, 0, 7, 0xcf, 0x10, 0x0b}
	table := slices.Concat(
		neighborMessage(unix.NUD_STALE, v4, testMAC),
		neighborMessage(unix.NUD_FAILED, netip.MustParseAddr("192.168.1.66"), nil),
		neighborMessage(unix.NUD_FAILED, netip.MustParseAddr("192.168.1.67"), testMAC),
		neighborMessage(unix.NUD_INCOMPLETE, netip.MustParseAddr("192.168.1.68"), testMAC),
		neighborMessage(unix.NUD_NOARP, netip.MustParseAddr("ff02::fb"), testMAC),
		neighborMessage(unix.NUD_REACHABLE, netip.MustParseAddr("192.168.1.69"), other),
		neighborMessage(unix.NUD_REACHABLE, netip.MustParseAddr("192.168.1.70"), append(slices.Clone(testMAC), 1, 2)),
		neighborMessage(unix.NUD_PERMANENT, v6, testMAC),
		neighborMessage(unix.NUD_DELAY, local, testMAC),
	)
	scoped := local.WithZone("1073741824")
	for network, want := range map[string][]netip.Addr{
		"ip":  {v4, v6, scoped},
		"ip4": {v4},
		"ip6": {v6, scoped},
	} {
		if got := neighborAddrs(table, network, testMAC); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", network, got, want)
		}
	}
}

func FuzzNeighborAddrs(f *testing.F) {
	whole := neighborMessage(unix.NUD_STALE, netip.MustParseAddr("fe80::1"), testMAC)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(bytes.Repeat(whole, 2))
	f.Fuzz(func(t *testing.T, messages []byte) {
		for _, a := range neighborAddrs(messages, "ip6", testMAC) {
			if !a.Is6() {
				t.Fatalf("%v is no IPv6 address", a)
			}
		}
		// The attributes by themselves, whatever length the header has.
		if n, ok := parseNeighbor(messages); ok && (!n.addr.IsValid() || len(n.mac) == 0) {
			t.Fatalf("%+v is complete", n)
		}
	})
}
