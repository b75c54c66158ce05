package mptcp

import (
	"fmt"
	"net/netip"
	"strings"
)

// An Endpoint is an address of this machine from which, or to which, the kernel creates
// further subflows. Endpoints belong to the network namespace and apply to all its
// connections; ip-mptcp(8) and NetworkManager create them.
//
// A subflow is created when the connection is established, or when the endpoint is added
// later. One that was reset or timed out is not created again (Linux 6.18) until its
// endpoint is removed and added, as NetworkManager does when an interface comes back.
type Endpoint struct {
	ID    uint8 // address ID of RFC 8684 section 3.4.1, which ip-mptcp(8) prints
	Addr  netip.Addr
	Port  uint16 // announced to the peer with FlagSignal; 0 means that of the connection
	Index int    // of the interface that its subflows are bound to; 0 means none: they use whatever route leads to the peer
	Flags Flags
}

// Flags say what an Endpoint is for.
type Flags uint32

// The flags as Linux numbers them (linux/mptcp.h).
const (
	FlagSignal   Flags = 1 << iota // it is announced to the peer, which may connect to it
	FlagSubflow                    // each connection gets a subflow from it
	FlagBackup                     // its subflows carry data only when no other subflow works
	FlagFullmesh                   // it gets a subflow to each address of the peer; since Linux 5.15
	FlagImplicit                   // the kernel created it for a connection that needed it; since 5.18
	FlagLaminar                    // its subflows go only to addresses that the peer announced; since 6.18
)

// String returns the flags as ip-mptcp(8) prints them.
func (f Flags) String() string {
	var words []string
	for i, word := range [...]string{"signal", "subflow", "backup", "fullmesh", "implicit", "laminar"} {
		if bit := Flags(1) << i; f&bit != 0 {
			words = append(words, word)
			f &^= bit
		}
	}
	if f != 0 {
		words = append(words, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(words, " ")
}

// Limits apply to each connection of the network namespace.
type Limits struct {
	Subflows        int // subflows beside the first; the kernel's default is 2
	AddAddrAccepted int // addresses announced by the peer that this end connects to; the kernel's default is 0
}
