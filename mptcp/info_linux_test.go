package mptcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// pair returns both ends of a connection made by Go's own means.
func pair(t *testing.T, addr string, serverSpeaks bool) (client, server *net.TCPConn) {
	t.Helper()
	l := listenAt(t, "tcp", addr, serverSpeaks) // more subflows come to it, too
	var d net.Dialer
	d.SetMultipathTCP(true)
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// send takes n bytes from one end to the other.
func send(t *testing.T, from, to net.Conn, n int) {
	t.Helper()
	if _, err := from.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
}

// inParts is ReadInfo as older kernels have it done.
func inParts(c *net.TCPConn) (info *Info, err error) {
	err = control(c, func(fd int) (err error) {
		info, err = infoInParts(fd)
		return err
	})
	return info, err
}

func TestReadInfo(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			noLeak(t)
			c, s := pair(t, addr, true)
			send(t, c, s, 1000)
			send(t, s, c, 50)
			local, remote := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
			info, err := ReadInfo(c)
			if err != nil {
				t.Fatal(err)
			}
			if info.FallenBack || info.Token == 0 || !info.RemoteKey || info.ExtraSubflows != 0 || len(info.Subflows) != 1 {
				t.Fatalf("%+v", info)
			}
			sub := info.Subflows[0]
			if sub.Local != local || sub.Remote != remote || sub.State != Established || sub.RTT <= 0 {
				t.Errorf("%+v, want it from %v to %v", sub, local, remote)
			}
			if sub.Sent != 1000 || sub.Received != 50 {
				t.Errorf("%d bytes sent and %d received, want 1000 and 50", sub.Sent, sub.Received)
			}
			// Linux 6.5 brought them together.
			if known := sub.ID != 0; known != (info.Traffic != nil) {
				t.Errorf("%+v", info)
			} else if known && (info.Traffic.Sent != 1000 || info.Traffic.Received != 50) {
				t.Errorf("%+v, want 1000 bytes sent and 50 received", *info.Traffic)
			}

			parts, err := inParts(c)
			if err != nil {
				t.Fatal(err)
			}
			if sub.ID = 0; len(parts.Subflows) != 1 || parts.Subflows[0] != sub || parts.Token != info.Token {
				t.Errorf("in parts %+v\nat once %+v", parts, info)
			}
		})
	}
}

func TestReadInfoFallenBack(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			noLeak(t)
			c, s := pair(t, addr, false)
			send(t, c, s, 1)
			info, err := ReadInfo(c)
			if err != nil || !info.FallenBack || info.Subflows != nil {
				t.Errorf("%+v, %v", info, err)
			}
			if yes, err := InUse(c); yes || err != nil {
				t.Errorf("in use: %v, %v", yes, err)
			}
			info, err = ReadInfo(s) // never was one of MPTCP
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "not an MPTCP socket") {
				t.Errorf("plain TCP: %+v, %v", info, err)
			}
		})
	}
}

func TestReadInfoClosed(t *testing.T) {
	c, _ := pair(t, "127.0.0.1:0", true)
	c.Close()
	if info, err := ReadInfo(c); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, %v", info, err)
	}
}

// Nine subflows are one more than both ways of asking have room for at first.
func TestReadInfoSubflows(t *testing.T) {
	if !ownNetwork(t) {
		return
	}
	noLeak(t)
	ip(t, "mptcp limits set subflows 8 add_addr_accepted 0")
	want := []string{"192.0.2.1"}
	for i := 2; i < 10; i++ {
		a := fmt.Sprintf("192.0.2.%d", i)
		ip(t, "address replace "+a+"/24 dev lo", "mptcp endpoint add "+a+" dev lo subflow")
		want = append(want, a)
	}
	c, s := pair(t, "192.0.2.1:0", true)
	established := func(info *Info) bool { // in parts, the number is older than the list
		return info.ExtraSubflows == 8 && len(info.Subflows) == len(want) &&
			!slices.ContainsFunc(info.Subflows, func(f Subflow) bool { return f.State != Established })
	}
	for name, read := range map[string]func(*net.TCPConn) (*Info, error){
		"at once": func(c *net.TCPConn) (*Info, error) { return ReadInfo(c) }, "in parts": inParts,
	} {
		var info *Info
		for end := time.Now().Add(10 * time.Second); ; {
			send(t, c, s, 1)
			send(t, s, c, 1)
			var err error
			if info, err = read(c); err != nil {
				t.Fatal(name, err)
			}
			if established(info) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v", name, info)
			}
		}
		var got []string
		for _, f := range info.Subflows {
			got = append(got, f.Local.Addr().String())
			if f.Remote.Addr().String() != "192.0.2.1" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || info.ExtraSubflowsMax != 8 {
			t.Errorf("%s: from %v, want %v: %+v", name, got, want, info)
		}
	}
}

// filled is n bytes of which none is 0: what is read from where an older kernel
// has padding shows.
func filled(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 0xee
	}
	return b
}

func TestParseInfoOfOlderKernels(t *testing.T) {
	for _, tt := range []struct {
		size    int
		release string
		traffic bool
		ok      bool
	}{
		{0, "none", false, false},
		{40, "5.9, and not by getsockopt", false, false},
		{44, "5.16, 32 bits", false, true},
		{48, "5.16", false, true},
		{80, "6.5", true, true},
		{88, "6.8", true, true},
		{96, "6.10", true, true},
		{128, "some day", true, true},
	} {
		info, ok := parseInfo(filled(tt.size))
		if ok != tt.ok {
			t.Errorf("%s: %+v, %v", tt.release, info, ok)
		} else if ok && (info.Traffic != nil) != tt.traffic {
			t.Errorf("%s: traffic %+v", tt.release, info.Traffic)
		}
	}
}

func TestParseFullInfoOfOtherKernels(t *testing.T) {
	e := binary.NativeEndian
	head := make([]byte, fullHead+info65)
	e.PutUint32(head[fullCount:], 3)
	e.PutUint32(head[fullRoom:], 2)
	// A kernel with a shorter tcp_info and a shorter subflow_info has items
	// that are closer together than those that were asked for.
	e.PutUint32(head[fullTCPSize:], 8)
	e.PutUint32(head[fullSubflowSize:], uint32(subflowAddrs))
	subflows := make([]byte, 2*subflowSize)
	e.PutUint32(subflows, 1)
	e.PutUint32(subflows[subflowAddrs:], 2)
	info, there, ok := parseFullInfo(head, subflows, filled(2*tcpSize))
	if !ok || there != 3 || !slices.Equal(info.Subflows, []Subflow{{ID: 1}, {ID: 2}}) {
		t.Errorf("%+v, %d, %v", info, there, ok)
	}
}

func TestParseSockaddr(t *testing.T) {
	b := make([]byte, sockaddrSize)
	binary.NativeEndian.PutUint16(b, 10)
	binary.BigEndian.PutUint16(b[2:], 22)
	for _, a := range []string{"2001:db8::1", "::ffff:192.0.2.1"} {
		addr := netip.MustParseAddr(a)
		copy(b[8:], addr.AsSlice())
		if got, want := parseSockaddr(b), netip.AddrPortFrom(addr.Unmap(), 22); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestState(t *testing.T) {
	for s, want := range map[State]string{0: "unknown", Established: "established", Closing: "closing", 12: "state 12"} {
		if got := s.String(); got != want {
			t.Errorf("%d: %s, want %s", uint8(s), got, want)
		}
	}
}

func FuzzParseFullInfo(f *testing.F) {
	head := make([]byte, fullHead+infoSize)
	binary.NativeEndian.PutUint32(head[fullCount:], 1)
	binary.NativeEndian.PutUint32(head[fullRoom:], 1)
	binary.NativeEndian.PutUint32(head[fullTCPSize:], tcpSize)
	binary.NativeEndian.PutUint32(head[fullSubflowSize:], subflowSize)
	f.Add(head, filled(subflowSize), filled(tcpSize))
	f.Add(head[:fullHead+48], filled(subflowSize-1), filled(tcpSize))
	f.Fuzz(func(t *testing.T, head, subflows, tcp []byte) {
		info, there, ok := parseFullInfo(head, subflows, tcp)
		if ok != (info != nil) || there < 0 || ok && len(info.Subflows) > there {
			t.Errorf("%+v, %d, %v", info, there, ok)
		}
	})
}

func FuzzParseList(f *testing.F) {
	b := make([]byte, listHead+2*addrsSize)
	binary.NativeEndian.PutUint32(b[listCount:], 2)
	binary.NativeEndian.PutUint32(b[listSize:], addrsSize)
	f.Add(b)
	f.Add(b[:listHead+addrsSize+1])
	f.Fuzz(func(t *testing.T, b []byte) {
		items, there, ok := parseList(b)
		if there < 0 || len(items) > there || !ok && items != nil {
			t.Errorf("%d items of %d, %v", len(items), there, ok)
		}
		for _, item := range items {
			var s Subflow
			s.parseAddrs(item)
			s.parseTCP(item)
		}
	})
}
