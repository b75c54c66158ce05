//go:build linux

package lab

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Packets taken from a wire.
var captured = []struct {
	name, hex, want string
}{
	{"v4 SYN with MP_CAPABLE",
		"45000040d2c840004006536d0a000101c0000205a99c0016c9f6c4b800000000b002fd5c2d5e0000020405b40402080a8d5c7e1c00000000010303071e040100",
		"0.0ms  both SYN 10.0.1.1:43420 > 192.0.2.5:22 mptcp capable "},
	{"v6 UDP behind a destination option header",
		"6000000000183c4020010db8000100000000000000000001fe800000000000000000000000000002" +
			"1100010400000000" + "04d2003500100000" + "6162636465666768",
		"0.0ms  both udp [2001:db8:1::1]:1234 > [fe80::2]:53 "},
	{"v4 ICMP port unreachable, quoting nothing of use",
		"4500001c000000004001000001010101020202020303000000000000",
		"0.0ms  both icmp 3/3 1.1.1.1 > 2.2.2.2 "},
	{"v4 second fragment: no ports",
		"4500001c000000b940110000010101010202020204d2003500080000",
		"0.0ms  both udp 1.1.1.1 > 2.2.2.2 "},
	{"v6 second fragment",
		"6000000000102c4020010db8000100000000000000000001fe800000000000000000000000000002" +
			"0600010000000001" + "0016001600000000",
		"0.0ms  both  2001:db8:1::1 > fe80::2 "},
	{"v4 TCP whose header is longer than the packet",
		"450000280000000040060000010101010202020204d2003500000000000000006002000000000000",
		"0.0ms  both  1.1.1.1 > 2.2.2.2 "},
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	for _, c := range captured {
		p, ok := parse(fromHex(t, c.hex))
		if !ok {
			t.Errorf("%s: not a packet", c.name)
		}
		if got := p.String(); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
	for _, s := range []string{"", "45", "6000", "00", "4400001c000000004001000001010101020202020303000000000000"} {
		if p, ok := parse(fromHex(t, s)); ok {
			t.Errorf("%s is no packet, but %v", s, p)
		}
	}
}

// FuzzPacket holds that nothing on the wire can hurt it, whatever a rule does
// to it, and that what it forges can be parsed and is rightly summed up.
func FuzzPacket(f *testing.F) {
	for _, c := range captured {
		f.Add(fromHex(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > mtu {
			return
		}
		p, ok := parse(b)
		if !ok {
			return
		}
		_ = p.String()
		var out [mtu]byte
		if n := forgeReset(out[:], b, &p); n > 0 {
			checkForged(t, out[:n], &p)
			if back, _ := parse(out[:n]); back.Flags&RST == 0 {
				t.Errorf("no reset: %v", back)
			}
		}
		for name, e := range icmpErrors {
			if n := forgeICMP(out[:], b, &p, e); n > 0 {
				checkForged(t, out[:n], &p)
				if back, _ := parse(out[:n]); forgeICMP(make([]byte, mtu), out[:n], &back, e) != 0 {
					t.Errorf("an ICMP error answered with %s", name)
				}
			}
		}
		stripMPTCP(b, &p)
		if again, ok := parse(b); !ok || again.MPTCP != 0 {
			t.Errorf("not stripped: %v", again)
		} else if p.MPTCP != 0 && !sumsUp(b, again.transport, again.Proto) {
			t.Error("stripped, with a wrong checksum")
		}
	})
}

func checkForged(t *testing.T, b []byte, to *Packet) {
	t.Helper()
	p, ok := parse(b)
	if !ok || p.transport == 0 {
		t.Fatalf("% x is no packet", b)
	}
	if p.Src != to.Dst && p.Proto == unix.IPPROTO_TCP || p.Dst.Addr() != to.Src.Addr() {
		t.Errorf("%v answers %v", p, to)
	}
	if b[0]>>4 == 4 && fold(sumOf(b[:20])) != 0xffff || !sumsUp(b, p.transport, p.Proto) {
		t.Errorf("wrong checksum: % x", b)
	}
}

// sumsUp checks a checksum as a receiver does: with it the sum is all ones.
func sumsUp(b []byte, transport, proto int) bool {
	sum := sumOf(b[transport:])
	if proto != unix.IPPROTO_ICMP {
		addresses := b[8:40]
		if b[0]>>4 == 4 {
			addresses = b[12:20]
		}
		sum += sumOf(addresses) + uint64(proto) + uint64(len(b)-transport)
	}
	return fold(sum) == 0xffff
}

func TestRules(t *testing.T) {
	syn := Packet{
		Dir: Out, Proto: unix.IPPROTO_TCP, Flags: SYN, MPTCP: Capable,
		Src: netip.MustParseAddrPort("[2001:db8::1]:999"), Dst: netip.MustParseAddrPort("[2001:db8::5]:22"),
	}
	reply := syn
	reply.Dir, reply.Flags, reply.MPTCP, reply.Src, reply.Dst = In, SYN|ACK, 0, syn.Dst, syn.Src
	query := Packet{Dir: Out, Proto: unix.IPPROTO_UDP,
		Src: netip.MustParseAddrPort("10.0.1.1:999"), Dst: netip.MustParseAddrPort("192.0.2.1:53")}
	for _, c := range []struct {
		words             string
		syn, reply, query bool
	}{
		{"", true, true, true},
		{"v4", false, false, true},
		{"v6", true, true, false},
		{"tcp", true, true, false},
		{"udp", false, false, true},
		{"syn", true, false, false},
		{"synack", false, true, false},
		{"later", false, false, false},
		{"fin", false, false, false},
		{"mptcp", true, false, false},
		{"plain", false, true, true},
		{"mptcp plain", false, false, false},
		{"out", true, false, true},
		{"in", false, true, false},
		{"2001:db8::5", true, true, false},
		{"to 2001:db8::5", true, false, false},
		{"from 2001:db8::5", false, true, false},
		{"port 22", true, true, false},
		{"port 53", false, false, true},
		{"2001:db8::1 port 22", false, false, false}, // of one end
		{"out syn v6 to 2001:db8::5 port 22 mptcp", true, false, false},
	} {
		m, err := ParseMatch(strings.Fields(c.words)...)
		if err != nil {
			t.Errorf("%s: %v", c.words, err)
		}
		if got := [3]bool{m.matches(&syn), m.matches(&reply), m.matches(&query)}; got != [3]bool{c.syn, c.reply, c.query} {
			t.Errorf("%q matches %v", c.words, got)
		}
	}
	for _, words := range []string{
		"", "burn", "delay", "delay soon", "delay -3ms", "loss 0%", "loss 101%", "loss NaN", "icmp frag",
		"drop sin", "drop from", "drop to nobody", "drop port", "drop port 70000", "drop port x",
	} {
		if r, err := ParseRule(strings.Fields(words)...); err == nil {
			t.Errorf("%q is a rule: %+v", words, r)
		}
	}
}
