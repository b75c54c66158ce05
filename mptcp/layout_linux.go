package mptcp

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's structs of linux/mptcp.h and linux/tcp.h grow at their ends, and it
// reports how much it has filled. Fields that one version added are read only if all
// of them are there: where an older struct ends in padding, a later one has a field.

// struct mptcp_info
const (
	infoSize  = 96 // Linux 6.10
	infoFirst = 43 // in 5.16, the first to have MPTCP_INFO; padded to 48
	info65    = 80 // in 6.5

	infoSubflows       = 0
	infoAddrsSignalled = 1
	infoAddrsAccepted  = 2
	infoSubflowsMax    = 3
	infoFlags          = 8
	infoToken          = 12
	infoChecksums      = 42
	infoRetransmits    = 44
	infoRetransmitted  = 48
	infoSent           = 56
	infoReceived       = 64
	infoAcked          = 72

	flagFallback  = 1 << 0
	flagRemoteKey = 1 << 1
)

// struct mptcp_full_info, up to the struct mptcp_info in it
const (
	fullHead        = 40
	fullTCPSize     = 4  // size of one struct tcp_info; the kernel lowers it if its own is shorter
	fullSubflowSize = 12 // the same for struct mptcp_subflow_info
	fullCount       = 16 // number of subflows
	fullRoom        = 20 // number of subflows that there is room for
	fullSubflows    = 24 // pointer to the array of struct mptcp_subflow_info
	fullTCPs        = 32 // pointer to the array of struct tcp_info
)

// struct mptcp_subflow_data, which begins a list
const (
	listHead     = 16
	listHeadSize = 0
	listCount    = 4  // number of subflows
	listSize     = 12 // size of one item; the kernel lowers it if its own is shorter
)

const (
	sockaddrSize = 128               // struct sockaddr_storage
	addrsSize    = 2 * sockaddrSize  // struct mptcp_subflow_addrs
	subflowAddrs = bits.UintSize / 8 // in struct mptcp_subflow_info, after the id, which is padded to the size of a pointer
	subflowSize  = subflowAddrs + addrsSize
	tcpSize      = unix.SizeofTCPInfo
)

// struct tcp_info
const (
	tcpState         = 0
	tcpRTT           = 68 // µs
	tcpRTTVar        = 72 // µs
	tcpAcked         = 120
	tcpReceived      = 128
	tcpSent          = 200
	tcpRetransmitted = 208
	tcp419           = 216 // in 4.19: a kernel with MPTCP has at least this
)

var errShort = errors.New("the kernel's answer is too short to be understood")

func parseInfo(b []byte) (info *Info, ok bool) {
	if len(b) < infoFirst {
		return nil, false
	}
	e := binary.NativeEndian
	flags := e.Uint32(b[infoFlags:])
	info = &Info{
		FallenBack:       flags&flagFallback != 0,
		RemoteKey:        flags&flagRemoteKey != 0,
		Token:            e.Uint32(b[infoToken:]),
		Checksums:        b[infoChecksums] != 0,
		ExtraSubflows:    int(b[infoSubflows]),
		ExtraSubflowsMax: int(b[infoSubflowsMax]),
		AddrsSignalled:   int(b[infoAddrsSignalled]),
		AddrsAccepted:    int(b[infoAddrsAccepted]),
	}
	if len(b) >= info65 {
		info.Traffic = &Traffic{
			Sent:          e.Uint64(b[infoSent:]),
			Received:      e.Uint64(b[infoReceived:]),
			Acked:         e.Uint64(b[infoAcked:]),
			Retransmitted: e.Uint64(b[infoRetransmitted:]),
			Retransmits:   e.Uint32(b[infoRetransmits:]),
		}
	}
	return info, true
}

// parseFullInfo returns what fits into subflows and tcp, and how many subflows
// there are.
func parseFullInfo(head, subflows, tcp []byte) (info *Info, there int, ok bool) {
	if len(head) < fullHead {
		return nil, 0, false
	}
	e := binary.NativeEndian
	there = int(int32(e.Uint32(head[fullCount:])))
	room := int(int32(e.Uint32(head[fullRoom:])))
	subflowStep := int(int32(e.Uint32(head[fullSubflowSize:])))
	tcpStep := int(int32(e.Uint32(head[fullTCPSize:])))
	info, ok = parseInfo(head[fullHead:])
	if !ok || there < 0 || subflowStep < subflowAddrs || tcpStep < 0 {
		return nil, 0, false
	}
	for range min(there, room) {
		if len(subflows) < subflowStep || len(tcp) < tcpStep {
			return nil, 0, false
		}
		s := Subflow{ID: int(e.Uint32(subflows))}
		s.parseAddrs(subflows[subflowAddrs:subflowStep])
		s.parseTCP(tcp[:tcpStep])
		info.Subflows = append(info.Subflows, s)
		subflows, tcp = subflows[subflowStep:], tcp[tcpStep:]
	}
	return info, there, true
}

// parseList returns the items that came, and how many there are.
func parseList(b []byte) (items [][]byte, there int, ok bool) {
	if len(b) < listHead {
		return nil, 0, false
	}
	there = int(int32(binary.NativeEndian.Uint32(b[listCount:])))
	step := int(int32(binary.NativeEndian.Uint32(b[listSize:])))
	if there < 0 || step <= 0 {
		return nil, 0, false
	}
	for b = b[listHead:]; len(b) >= step && len(items) < there; b = b[step:] {
		items = append(items, b[:step])
	}
	return items, there, true
}

// parseAddrs reads a struct mptcp_subflow_addrs.
func (s *Subflow) parseAddrs(b []byte) {
	if len(b) >= addrsSize {
		s.Local, s.Remote = parseSockaddr(b), parseSockaddr(b[sockaddrSize:])
	}
}

// parseSockaddr reads a struct sockaddr_storage of IP.
func parseSockaddr(b []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(b[2:])
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:])).Unmap(), port)
	}
	return netip.AddrPort{}
}

// parseTCP reads a struct tcp_info.
func (s *Subflow) parseTCP(b []byte) {
	if len(b) < tcp419 {
		return
	}
	e := binary.NativeEndian
	s.State = State(b[tcpState])
	s.RTT = time.Duration(e.Uint32(b[tcpRTT:])) * time.Microsecond
	s.RTTVar = time.Duration(e.Uint32(b[tcpRTTVar:])) * time.Microsecond
	s.Acked = e.Uint64(b[tcpAcked:])
	s.Received = e.Uint64(b[tcpReceived:])
	s.Sent = e.Uint64(b[tcpSent:])
	s.Retransmitted = e.Uint64(b[tcpRetransmitted:])
}
