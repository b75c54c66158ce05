package resolve

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestInterfaceByName(t *testing.T) {
	noLeak(t)
	meet(t)
	const long = "an-alternative-name-may-be-longer-than-fifteen-bytes"
	if err := ip("link property add dev e1 altname other", "link property add dev e1 altname "+long); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"e0": "e0", "e1": "e1", "other": "e1", long: "e1",
		"": "", "othe": "", "other2": "", "e2": "", strings.Repeat("x", 200): "",
	} {
		i, err := InterfaceByName(name)
		switch {
		case (err == nil) != (want != "") || (i == nil) != (want == ""):
			t.Errorf("%q: %+v, %v; want %q", name, i, err, want)
		case i != nil && i.Name != want:
			t.Errorf("%q: %s, want %s", name, i.Name, want)
		}
	}
}

// linkMessage is what the kernel sends about the interface with that index and those
// alternative names.
func linkMessage(index uint32, altNames ...string) []byte {
	e := binary.NativeEndian
	attr := func(b []byte, kind uint16, value []byte) []byte {
		b = e.AppendUint16(b, uint16(4+len(value)))
		b = e.AppendUint16(b, kind)
		b = append(b, value...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	var list []byte
	for _, name := range altNames {
		list = attr(list, iflaAltIfname, []byte(name+"\x00"))
	}
	m := make([]byte, syscall.SizeofIfInfomsg)
	e.PutUint32(m[4:], index)
	m = attr(m, 3, []byte("eth0\x00"))
	m = attr(m, iflaPropList|1<<15, list)
	head := e.AppendUint32(nil, uint32(syscall.SizeofNlMsghdr+len(m)))
	head = e.AppendUint16(head, syscall.RTM_NEWLINK)
	return append(append(head, make([]byte, 10)...), m...)
}

func TestIndexByAltName(t *testing.T) {
	whole := slices.Concat(linkMessage(2), linkMessage(3, "a", "lan"), linkMessage(4, "wan"))
	for name, want := range map[string]int{"a": 3, "lan": 3, "wan": 4, "wa": 0, "wan\x00": 0, "eth0": 0, "": 0} {
		if got, ok := indexByAltName(whole, name); got != want || ok != (want != 0) {
			t.Errorf("%q: %d, %v; want %d", name, got, ok, want)
		}
	}
	other := linkMessage(3, "lan")
	binary.NativeEndian.PutUint16(other[4:], syscall.RTM_DELLINK)
	if got, ok := indexByAltName(other, "lan"); ok {
		t.Errorf("an interface that is deleted: %d", got)
	}
}

func FuzzIndexByAltName(f *testing.F) {
	whole := linkMessage(3, "a", "lan")
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(bytes.Repeat(whole, 2))
	f.Fuzz(func(t *testing.T, messages []byte) {
		if index, ok := indexByAltName(messages, "lan"); ok && !bytes.Contains(messages, []byte("lan\x00")) || !ok && index != 0 {
			t.Fatalf("%d, %v", index, ok)
		}
		hasAltName(messages, "lan")
	})
}

func TestInterfaces(t *testing.T) {
	noLeak(t)
	meet(t)
	check := func(want string) {
		t.Helper()
		got, err := Interfaces()
		if s := fmt.Sprint(got); err != nil || s != want {
			t.Errorf("%s, %v; want %s", s, err, want)
		}
	}
	// e1 has only a link-local address.
	check("[{e0 true false}]")
	if err := ip("address add 2001:db8::1/64 dev e0 nodad", "address add fd00::1/64 dev e1 nodad"); err != nil {
		t.Fatal(err)
	}
	check("[{e0 true true} {e1 false true}]")
	if err := ip("link set e0 down"); err != nil {
		t.Fatal(err)
	}
	check("[{e1 false true}]")
}

func TestLinkContains(t *testing.T) {
	l := link{addrs: []netip.Prefix{netip.MustParsePrefix("192.168.1.1/24"), netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("fe80::1/64")}}
	for addr, want := range map[string]bool{
		"192.168.1.65": true, "::ffff:192.168.1.65": true, "169.254.1.2": true, "2001:db8::2": true, "fe80::2%e0": true,
		"192.168.2.1": false, "2001:db8:0:1::2": false, "127.0.0.1": false, "fec0::1": false,
	} {
		if got := l.contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

func TestLinkProperties(t *testing.T) {
	const up = net.FlagUp | net.FlagRunning
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for _, c := range []struct {
		name            string
		i               net.Interface
		macs, multicast bool
	}{
		{"Ethernet", net.Interface{Flags: up | net.FlagBroadcast | net.FlagMulticast, HardwareAddr: mac}, true, true},
		{"Ethernet without multicast", net.Interface{Flags: up | net.FlagBroadcast, HardwareAddr: mac}, true, false},
		{"tunnel", net.Interface{Flags: up | net.FlagPointToPoint | net.FlagMulticast}, false, false},
		{"InfiniBand", net.Interface{Flags: up | net.FlagMulticast, HardwareAddr: make(net.HardwareAddr, 20)}, false, true},
	} {
		l := link{Interface: c.i}
		if l.hasMACs() != c.macs || l.isMulticast() != c.multicast {
			t.Errorf("%s: MAC addresses %v, multicast %v", c.name, l.hasMACs(), l.isMulticast())
		}
	}
}
