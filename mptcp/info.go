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

	Token     uint32 // of this end: ip-mptcp(8) and ss(8) identify the connection by it
	RemoteKey bool   // the peer has sent its key, so there may be subflows beside the first
	Checksums bool   // MPTCP checksums protect the data (RFC 8684 section 3.3)

	ExtraSubflows    int // subflows beside the first
	ExtraSubflowsMax int // the limit for these on this machine

	AddrsSignalled int // addresses announced to the peer
	AddrsAccepted  int // addresses that the peer announced, up to the limit

	Traffic *Traffic // nil before Linux 6.5

	// Subflows are the TCP connections that it consists of, the oldest first.
	Subflows []Subflow
}

// Traffic counts the bytes of the data itself: each byte once, however many
// subflows carried it.
type Traffic struct {
	Sent, Received uint64 // bytes
	Acked          uint64 // bytes sent that the peer has acknowledged
	Retransmitted  uint64 // bytes that were sent again on another subflow
	Retransmits    uint32 // number of these retransmissions
}

// A Subflow is one TCP connection of an MPTCP one.
type Subflow struct {
	ID            int            // number of the subflow in its connection, from 1; 0 if not known (before Linux 6.5)
	Local, Remote netip.AddrPort // IPv4 addresses for an IPv4 subflow, even if the socket is an IPv6 one

	State  State         // 0 if this and the following fields are not known
	RTT    time.Duration // smoothed round trip time; 0 before the first measurement
	RTTVar time.Duration // its mean deviation

	Sent, Received uint64 // bytes of payload, retransmissions included
	Acked          uint64 // bytes sent that the peer has acknowledged; the SYN counts as one
	Retransmitted  uint64 // bytes that were sent again on this subflow
}

// A State is the state of a TCP connection (RFC 9293 section 3.3.2).
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

// String returns the state in lower case, such as "syn-sent".
func (s State) String() string {
	names := [...]string{"unknown", "established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2",
		"time-wait", "closed", "close-wait", "last-ack", "listen", "closing"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}
