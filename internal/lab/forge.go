//go:build linux

package lab

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// ICMP is an error, with its type and code in ICMP and in ICMPv6.
type ICMP struct {
	Type4, Code4 byte
	Type6, Code6 byte
}

// The errors that a rule can name.
var icmpErrors = map[string]ICMP{
	"net":        {3, 0, 1, 0},
	"host":       {3, 1, 1, 3},
	"port":       {3, 3, 1, 4},
	"prohibited": {3, 13, 1, 1},
	"ttl":        {11, 0, 3, 0},
}

// stripMPTCP overwrites the MPTCP options of a segment with NOPs, as middleboxes do that
// keep the header's length.
func stripMPTCP(b []byte, p *Packet) {
	if p.MPTCP == 0 {
		return
	}
	eachMPTCP(b[p.options:p.payload], func(option []byte) {
		for i := range option {
			option[i] = 1
		}
	})
	sumTransport(b, p.transport, unix.IPPROTO_TCP, 16)
}

// forgeReset writes to out the RST that the receiver of the segment b would
// send if nothing listened there, and returns its length, or 0 if no RST answers b.
func forgeReset(out, b []byte, p *Packet) int {
	if p.Proto != unix.IPPROTO_TCP || p.transport == 0 || p.Flags&RST != 0 {
		return 0
	}
	n := forgeIP(out, b, unix.IPPROTO_TCP, 20)
	t := out[n : n+20]
	clear(t)
	copy(t, b[p.transport+2:p.transport+4])
	copy(t[2:], b[p.transport:p.transport+2])
	if p.Flags&ACK != 0 {
		binary.BigEndian.PutUint32(t[4:], p.ack)
		t[13] = byte(RST)
	} else {
		length := uint32(p.Data)
		if p.Flags&SYN != 0 {
			length++
		}
		binary.BigEndian.PutUint32(t[8:], p.seq+length)
		t[13] = byte(RST | ACK)
	}
	t[12] = 5 << 4
	sumTransport(out[:n+20], n, unix.IPPROTO_TCP, 16)
	return n + 20
}

// forgeICMP writes to out the ICMP error that b provokes, and returns its
// length, or 0 if b is an ICMP error itself (RFC 1122 section 3.2.2).
func forgeICMP(out, b []byte, p *Packet, e ICMP) int {
	four := b[0]>>4 == 4
	proto, typ, code, most, sum := unix.IPPROTO_ICMPV6, e.Type6, e.Code6, 1280, 2
	if four {
		proto, typ, code, most = unix.IPPROTO_ICMP, e.Type4, e.Code4, 576
	}
	if p.Proto == unix.IPPROTO_ICMP || p.Proto == unix.IPPROTO_ICMPV6 && p.ICMPType < 128 {
		return 0
	}
	room := most - 8 - 40
	quote := b[:min(len(b), room)]
	n := forgeIP(out, b, proto, 8+len(quote))
	t := out[n : n+8+len(quote)]
	clear(t[:8])
	t[0], t[1] = typ, code
	copy(t[8:], quote)
	if four {
		binary.BigEndian.PutUint16(t[sum:], ^fold(sumOf(t)))
	} else {
		sumTransport(out[:n+len(t)], n, proto, sum)
	}
	return n + len(t)
}

// forgeIP writes to out the IP header of an answer to b. Its source is b's destination,
// as a wire has no address of its own. It returns the header's length.
func forgeIP(out, b []byte, proto, length int) int {
	const hops = 64
	if b[0]>>4 == 4 {
		h := out[:20]
		clear(h)
		h[0], h[8], h[9] = 4<<4|5, hops, byte(proto)
		binary.BigEndian.PutUint16(h[2:], uint16(20+length))
		copy(h[12:], b[16:20])
		copy(h[16:], b[12:16])
		binary.BigEndian.PutUint16(h[10:], ^fold(sumOf(h)))
		return 20
	}
	h := out[:40]
	clear(h)
	h[0], h[6], h[7] = 6<<4, byte(proto), hops
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	copy(h[8:], b[24:40])
	copy(h[24:], b[8:24])
	return 40
}

// sumTransport sets the checksum, field bytes into the header at transport,
// over the rest of the packet and its pseudo header.
func sumTransport(b []byte, transport, proto, field int) {
	t := b[transport:]
	binary.BigEndian.PutUint16(t[field:], 0)
	addresses := b[8:40]
	if b[0]>>4 == 4 {
		addresses = b[12:20]
	}
	sum := sumOf(addresses) + sumOf(t) + uint64(proto) + uint64(len(t))
	binary.BigEndian.PutUint16(t[field:], ^fold(sum))
}

// sumOf adds up the 16-bit words of b, an odd last byte padded (RFC 1071).
func sumOf(b []byte) uint64 {
	var sum uint64
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

func fold(sum uint64) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
