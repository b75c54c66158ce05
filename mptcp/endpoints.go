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
	ID    uint8 // as ip-mptcp(8) and MPTCP's own messages have it
	Addr  netip.Addr
	Port  uint16 // the peer is told it, with FlagSignal; 0: that of the connection
	Index int    // of the interface by which its subflows leave; 0: none, they leave by the route to the peer, wherever that leads
	Flags Flags
}

// Flags say what an Endpoint is for.
type Flags uint32

// The flags as Linux numbers them (linux/mptcp.h).
const (
	FlagSignal   Flags = 1 << iota // it is announced to the peer, which may connect to it
	FlagSubflow                    // each connection gets a subflow from it
	FlagBackup                     // which carries data only when no other does
	FlagFullmesh                   // a subflow to each address of the peer; since 5.15
	FlagImplicit                   // created by the kernel for a connection that needed it; since 5.18
	FlagLaminar                    // a subflow from it goes only where the peer says; since 6.18
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
	Subflows        int // beside the first; the default is 2
	AddAddrAccepted int // addresses of the peer's that are connected to; the default is 0
}
