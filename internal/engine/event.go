package engine

import (
	"net/netip"
	"time"
)

// A Candidate is one address of the race and a way to connect to it.
type Candidate struct {
	Target    Target
	Addr      Addr   // the peer; not valid for a target that has none yet
	Interface string // the interface that the socket is bound to, if any
	Transport string // the Name of the Transport, or the kind of another way; empty if nothing was tried
}

// An EventKind says what happened.
type EventKind int

const (
	Resolve   EventKind = iota // a name is being looked up
	Resolved                   // one family's answer is there: Addrs or Err
	Start                      // a connection attempt starts
	Connected                  // it has connected
	Failed                     // it has failed: Err
	Won                        // it is the winner
	Cancelled                  // it was under way when the race ended: Err says why it did, nil that there is a winner
)

func (k EventKind) String() string {
	return [...]string{"resolve", "resolved", "start", "connected", "failed", "won", "cancelled"}[k]
}

// An Event is one step of a race. Failed without a Transport is of an address
// that was not tried, and without an Addr of a target that has none; Cancelled
// with a Family is of a lookup. Attempts at one address by one transport are told
// of as one: each has a Start, and all together one of Failed, Won and Cancelled.
type Event struct {
	At   time.Duration // since the race began
	Kind EventKind
	Candidate
	Family   Family       // of a lookup: IPv4 or IPv6
	Addrs    []netip.Addr // Resolved: the answer
	Replaces bool         // Resolved: it takes the place of those before, which a less preferred name server gave
	Attempt  int          // Start: which one it is at Addr by Transport, from 1; else how many there were
	Err      error        // Resolved, Failed and Cancelled
}

// A Winner is the connection a race has given.
type Winner struct {
	// FD is the connected socket: blocking, close-on-exec, SO_KEEPALIVE on
	// with the kernel's own intervals, TCP_NODELAY on, no error pending. The
	// caller owns and closes it. Of a Command it is one end of a socket pair. It is
	// -1 if Dialer.RunAll is set.
	FD int

	Candidate                  // whose Target is the first of those that led to Addr
	Elapsed      time.Duration // from the beginning of the race to the win
	Tried, Known int           // candidates tried, candidates known, at the win

	// Attempts is how many connections to Addr by Transport were begun, and
	// Attempt is the number of the winner among them, from 1.
	Attempt, Attempts int

	// Lost reports whether a connection begun before the winner, to Addr by
	// Transport, was not answered: a packet was lost, or is late. The others
	// before it were closed by the race, to wait for another's banner.
	Lost bool

	// Before says, in their order, what had become of the attempts at Addr by
	// the Transports before Transport: Err is ErrNoAnswer or ErrNoBanner where
	// one was still under way.
	Before []Failure
}
