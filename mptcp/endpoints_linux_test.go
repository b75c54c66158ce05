package mptcp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

func TestEndpoints(t *testing.T) {
	if !ownNetwork(t) {
		return
	}
	noLeak(t)
	if all, err := Endpoints(); err != nil || len(all) != 0 {
		t.Fatalf("a new network: %v, %v", all, err)
	}
	if l, err := ReadLimits(); err != nil || l.AddAddrAccepted != 0 {
		t.Fatalf("a new network: %v, %v", l, err)
	}
	ip(t, "mptcp limits set subflows 5 add_addr_accepted 3",
		"mptcp endpoint add 192.0.2.1 dev lo subflow backup id 7",
		"mptcp endpoint add 2001:db8::2 subflow fullmesh id 8",
		"mptcp endpoint add 192.0.2.2 port 2222 signal id 200")
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	want := []Endpoint{
		{ID: 7, Addr: netip.MustParseAddr("192.0.2.1"), Index: lo.Index, Flags: FlagSubflow | FlagBackup},
		{ID: 8, Addr: netip.MustParseAddr("2001:db8::2"), Flags: FlagSubflow | FlagFullmesh},
		{ID: 200, Addr: netip.MustParseAddr("192.0.2.2"), Port: 2222, Flags: FlagSignal},
	}
	if all, err := Endpoints(); err != nil || !slices.Equal(all, want) {
		t.Errorf("%+v, %v\nwant %+v", all, err, want)
	}
	if l, err := ReadLimits(); err != nil || l != (Limits{Subflows: 5, AddAddrAccepted: 3}) {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestAskUnknownFamily(t *testing.T) {
	noLeak(t)
	answer, err := ask("no such family", 1, pmGetAddr, unix.NLM_F_DUMP)
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestPMError(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.ENOENT:  "CONFIG_MPTCP",
		unix.EPERM:   "CAP_NET_ADMIN",
		unix.ENOBUFS: "read it: no buffer space",
	} {
		err := pmError("read it", errno)
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v; want %q", errno, err, want)
		}
	}
}

func TestFlags(t *testing.T) {
	for f, want := range map[Flags]string{
		0:                        "",
		FlagSignal:               "signal",
		FlagSubflow | FlagBackup: "subflow backup",
		FlagFullmesh | FlagImplicit | FlagLaminar | 1<<31: "fullmesh implicit laminar 0x80000000",
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// message is one of netlink.
func message(kind uint16, data ...byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(append(b, make([]byte, 10)...), data...)
}

func errnoData(errno unix.Errno) []byte {
	return binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
}

func TestParseAnswer(t *testing.T) {
	const family = 30
	genl := []byte{pmGetAddr, pmVersion, 0, 0, 'd', 'a', 't', 'a'}
	for _, tt := range []struct {
		name string
		b    []byte
		part int
		done bool
		err  error
	}{
		{"nothing", nil, 0, false, nil},
		{"two, and there is more", slices.Concat(message(family, genl...), message(family, genl...)), 2, false, nil},
		{"the end", slices.Concat(message(family, genl...), message(unix.NLMSG_DONE, errnoData(0)...)), 1, true, nil},
		{"an end with an error", message(unix.NLMSG_DONE, errnoData(unix.EPERM)...), 0, false, unix.EPERM},
		{"an error", message(unix.NLMSG_ERROR, errnoData(unix.ENOENT)...), 0, false, unix.ENOENT},
		{"an error without its number", message(unix.NLMSG_ERROR), 0, false, netlink.ErrMalformed},
		{"no header", message(family, 1, 2), 0, false, netlink.ErrMalformed},
		{"another family's", message(family+1, genl...), 0, false, nil},
		{"half of one", message(family, genl...)[:20], 0, false, netlink.ErrMalformed},
	} {
		part, done, err := parseAnswer(tt.b, family)
		if len(part) != tt.part || done != tt.done || err != tt.err {
			t.Errorf("%s: %q, %v, %v", tt.name, part, done, err)
		}
	}
}

// endpointMessage is what the kernel sends of an endpoint.
func endpointMessage() []byte {
	var b []byte
	b = netlink.Append(b, 1, []byte{unix.AF_INET, 0})
	b = netlink.Append(b, pmAddrID, []byte{7})
	b = netlink.Append(b, pmAddr4, []byte{192, 0, 2, 1})
	b = netlink.Append(b, pmAddrFlags, []byte{1, 1, 1, 1})
	b = netlink.Append(b, pmAddrIfaceIdx, []byte{0, 0, 0, 0})
	b = netlink.Append(b, 99, []byte("unknown"))
	return netlink.Append(nil, unix.NLA_F_NESTED|pmAddr, b)
}

func TestParseEndpoint(t *testing.T) {
	whole := endpointMessage()
	want := Endpoint{ID: 7, Addr: netip.MustParseAddr("192.0.2.1"), Flags: 0x01010101}
	if e, err := parseEndpoint(whole); err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	for n := range whole {
		if e, err := parseEndpoint(whole[:n]); err != netlink.ErrMalformed {
			t.Errorf("the first %d bytes: %+v, %v", n, e, err)
		}
	}
	short := netlink.Append(nil, pmAddr, netlink.Append(nil, pmAddr4, []byte{192, 0, 2}))
	if e, err := parseEndpoint(short); err != netlink.ErrMalformed {
		t.Errorf("an address of 3 bytes: %+v, %v", e, err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	whole := message(30, append([]byte{pmGetAddr, pmVersion, 0, 0}, endpointMessage()...)...)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(slices.Concat(whole, message(unix.NLMSG_DONE, errnoData(0)...)))
	f.Add(message(unix.NLMSG_ERROR, errnoData(unix.EPERM)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		part, done, err := parseAnswer(b, 30)
		if err != nil && (part != nil || done) {
			t.Errorf("%q, %v, %v", part, done, err)
		}
	})
}

func FuzzParseAttributes(f *testing.F) {
	f.Add(endpointMessage())
	f.Add(endpointMessage()[:20])
	f.Add(netlink.Append(netlink.Append(nil, pmRcvAddAddrs, []byte{1, 0, 0, 0}), pmSubflows, []byte{0, 0, 0, 1}))
	f.Add(netlink.Append(nil, unix.CTRL_ATTR_FAMILY_ID, []byte{30, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parseEndpoint(b); err == nil && !e.Addr.IsValid() {
			t.Errorf("%+v", e)
		}
		if l, err := parseLimits(b); err == nil && (l.Subflows < 0 || l.AddAddrAccepted < 0) {
			t.Errorf("%+v", l)
		}
		if id, err := parseFamily(b); err == nil && id == 0 {
			t.Error("family 0")
		}
	})
}
