package mptcp

import (
	"fmt"
	"net/netip"
	"time"
)

// Info is a snapshot of the kernel's state of a connection.
type Info struct {
	// FallenBack is set if the connection has fallen back to plain TCP, for good. No
	// other field is set then.
	FallenBack bool

	Token     uint32 // of this end; by it ip-mptcp(8) and ss(8) name the connection
	RemoteKey bool   // the peer has sent its key: there may be more subflows than the first
	Checksums bool   // data is covered by checksums of MPTCP's own

	ExtraSubflows    int // beside the first
	ExtraSubflowsMax int // the limit of this machine

	AddrsSignalled int // addresses announced to the peer
	AddrsAccepted  int // addresses that the peer announced, up to the limit

	Traffic *Traffic // nil before Linux 6.5

	// Subflows are the TCP connections it consists of, the oldest first.
	Subflows []Subflow
}

// Traffic counts the bytes of the data itself, once, however many subflows
// carried them.
type Traffic struct {
	Sent, Received uint64 // bytes
	Acked          uint64 // bytes of those sent
	Retransmitted  uint64 // bytes that were sent again, by another subflow
	Retransmits    uint32 // how often that was
}

// A Subflow is one TCP connection of an MPTCP one.
type Subflow struct {
	ID            int            // counts the subflows of a connection, from 1 on; 0: not known, before Linux 6.5
	Local, Remote netip.AddrPort // of an IPv4 subflow IPv4, also if the socket is one of IPv6

	State  State         // 0: neither it nor what follows is known
	RTT    time.Duration // smoothed; 0 before the first measurement
	RTTVar time.Duration

	Sent, Received uint64 // bytes of payload, what was sent again included
	Acked          uint64 // bytes; the SYN counts as one
	Retransmitted  uint64 // bytes of those sent
}

// A State is that of a TCP connection (RFC 9293 section 3.3.2).
type State uint8

// The states as Linux numbers them (linux/tcp_states.h).
const (
	Established State = 1 + iota
	SynSent
	SynReceived
	FinWait1
	FinWait2
	TimeWait
	Closed
	CloseWait
	LastAck
	Listen
	Closing
)

func (s State) String() string {
	names := [...]string{"unknown", "established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2",
		"time-wait", "closed", "close-wait", "last-ack", "listen", "closing"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}
