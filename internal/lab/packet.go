//go:build linux

package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Packet is what the wire saw of one IP packet.
type Packet struct {
	At      time.Duration // when it entered the wire, since the last Mark
	Link    string
	Dir     Direction
	Verdict Verdict

	Src, Dst netip.AddrPort // port 0 unless TCP or UDP
	Proto    int            // unix.IPPROTO_TCP, …
	Len      int            // bytes in all
	Data     int            // bytes after the TCP or UDP header

	Flags Flags // TCP
	Again bool  // a SYN that was sent before: a retransmission
	MPTCP MPTCP // what it carries in option 30

	ICMPType, ICMPCode byte // either version

	seq, ack  uint32
	transport int // where the TCP, UDP or ICMP header starts; 0: none in this packet
	options   int // where TCP options start and
	payload   int // end
}

// Direction is relative to the near host.
type Direction uint8

const (
	Both Direction = iota // in a Match only
	Out                   // from near to far
	In
)

func (d Direction) String() string { return [...]string{"both", "out", "in"}[d] }

// Verdict is what became of a packet.
type Verdict string

const (
	InFlight  Verdict = "flying" // not there yet
	Delivered Verdict = "delivered"
	Dropped   Verdict = "dropped"  // by a rule
	Answered  Verdict = "answered" // by a rule, with a reset or an ICMP error
	Lost      Verdict = "lost"     // the link was down
)

// Flags are those of a TCP header.
type Flags uint8

const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

func (f Flags) String() string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// MPTCP is the set of the subtypes of option 30 that a segment carries.
type MPTCP uint16

const (
	Capable MPTCP = 1 << iota
	Join
	DSS
	AddAddr
	RemoveAddr
	Prio
	Fail
	FastClose
	TCPRST
)

func (m MPTCP) String() string {
	var names []string
	for i, name := range []string{"capable", "join", "dss", "add-addr", "remove-addr", "prio", "fail", "fastclose", "tcprst"} {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

const optionMPTCP = 30

// String returns one line, such as `250.1ms wifi out SYN 192.0.2.5:22`.
func (p Packet) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1fms %s %s ", float64(p.At.Microseconds())/1000, p.Link, p.Dir)
	switch p.Proto {
	case unix.IPPROTO_TCP:
		b.WriteString(p.Flags.String())
	case unix.IPPROTO_UDP:
		b.WriteString("udp")
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		fmt.Fprintf(&b, "icmp %d/%d", p.ICMPType, p.ICMPCode)
	default:
		fmt.Fprintf(&b, "protocol %d", p.Proto)
	}
	fmt.Fprintf(&b, " %s > %s", endpoint(p.Src), endpoint(p.Dst))
	if p.MPTCP != 0 {
		fmt.Fprintf(&b, " mptcp %s", p.MPTCP)
	}
	if p.Again {
		b.WriteString(" again")
	}
	return b.String() + " " + string(p.Verdict)
}

func endpoint(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// eventful reports whether a packet is recorded: all but those that only carry or
// acknowledge data.
func (p *Packet) eventful() bool {
	return p.Proto != unix.IPPROTO_TCP || p.Flags&(SYN|FIN|RST) != 0 || p.MPTCP&^DSS != 0
}

// parse parses the headers of an IP packet. It reports whether the addresses could be
// read; anything else may be malformed.
func parse(b []byte) (p Packet, ok bool) {
	if len(b) == 0 {
		return p, false
	}
	p.Len = len(b)
	var src, dst netip.Addr
	switch b[0] >> 4 {
	case 4:
		header := int(b[0]&15) * 4
		if header < 20 || len(b) < header {
			return p, false
		}
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		p.Proto = int(b[9])
		if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 { // the first fragment, or the only one
			p.transport = header
		}
	case 6:
		if len(b) < 40 {
			return p, false
		}
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		p.Proto, p.transport = extensions(b)
	default:
		return p, false
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if p.transport != 0 {
		p.parseTransport(b)
	}
	return p, true
}

// extensions skips an IPv6 packet's extension headers. It returns the protocol of the
// payload and its offset, 0 if it is not in this packet.
func extensions(b []byte) (proto, at int) {
	proto, at = int(b[6]), 40
	for len(b) >= at+8 {
		switch proto {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			proto, at = int(b[at]), at+8+int(b[at+1])*8
		case unix.IPPROTO_FRAGMENT:
			if binary.BigEndian.Uint16(b[at+2:])>>3 != 0 {
				return int(b[at]), 0
			}
			proto, at = int(b[at]), at+8
		default:
			return proto, at
		}
	}
	return proto, 0
}

func (p *Packet) parseTransport(b []byte) {
	t := b[p.transport:]
	switch {
	case p.Proto == unix.IPPROTO_TCP && len(t) >= 20 && t[12]>>4 >= 5 && len(t) >= int(t[12]>>4)*4:
		p.seq, p.ack = binary.BigEndian.Uint32(t[4:]), binary.BigEndian.Uint32(t[8:])
		p.Flags = Flags(t[13]) & (FIN | SYN | RST | PSH | ACK)
		p.options = p.transport + 20
		p.payload = p.transport + int(t[12]>>4)*4
		eachMPTCP(b[p.options:p.payload], func(option []byte) {
			p.MPTCP |= 1 << (option[2] >> 4)
		})
	case p.Proto == unix.IPPROTO_UDP && len(t) >= 8:
		p.payload = p.transport + 8
	case (p.Proto == unix.IPPROTO_ICMP || p.Proto == unix.IPPROTO_ICMPV6) && len(t) >= 8:
		p.ICMPType, p.ICMPCode = t[0], t[1]
		return
	default:
		p.transport = 0 // too short for what it claims to be
		return
	}
	p.Data = len(b) - p.payload
	p.Src = netip.AddrPortFrom(p.Src.Addr(), binary.BigEndian.Uint16(t))
	p.Dst = netip.AddrPortFrom(p.Dst.Addr(), binary.BigEndian.Uint16(t[2:]))
}

// eachMPTCP calls f with each MPTCP option, from its kind to its end, in a
// segment's options.
func eachMPTCP(options []byte, f func(option []byte)) {
	for len(options) > 0 && options[0] != 0 {
		if options[0] == 1 { // a NOP is the one kind without a length
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return
		}
		if options[0] == optionMPTCP && options[1] >= 3 {
			f(options[:options[1]])
		}
		options = options[options[1]:]
	}
}
