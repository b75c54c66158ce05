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

// An EventKind says what an Event reports.
type EventKind int

const (
	Resolve   EventKind = iota // a lookup has started
	Resolved                   // a lookup has an answer: Addrs or Err
	Start                      // an attempt has started
	Connected                  // an attempt has connected
	Failed                     // an attempt, an address or a target has failed: Err
	Won                        // an attempt is the winner
	Cancelled                  // an attempt or a lookup was pending when the race ended; Err is nil if it was won, except with Dialer.RunAll
)

func (k EventKind) String() string {
	return [...]string{"resolve", "resolved", "start", "connected", "failed", "won", "cancelled"}[k]
}

// An Event is one step of a race. Attempts at one address by one transport are reported as
// one: each has a Start, and together they have one of Failed, Won and Cancelled. A Failed
// without a Transport is about an address that was not tried; without an Addr it is about
// a target that has no address. A Cancelled with a Family is about a lookup.
type Event struct {
	At   time.Duration // since the race began
	Kind EventKind
	Candidate
	Family   Family       // of a lookup: IPv4 or IPv6
	Addrs    []netip.Addr // Resolved: the answer
	Replaces bool         // Resolved: a more preferred name server's answer, in place of the one before
	Attempt  int          // Start: the attempt's number, from 1; else the number of attempts
	Err      error        // Resolved, Failed and Cancelled
}

// A Winner is the connection that a race returns.
type Winner struct {
	// FD is the connected socket, which the caller owns and closes. It is blocking and
	// close-on-exec, with SO_KEEPALIVE (and the kernel's intervals) and TCP_NODELAY
	// set, and has no pending error. For a Command it is one end of a socket pair. It
	// is -1 if Dialer.RunAll is set.
	FD int

	Candidate                  // Target is the first of those that led to Addr
	Elapsed      time.Duration // from the beginning of the race to the win
	Tried, Known int           // addresses tried by then, and addresses known

	// Attempts is the number of connections to Addr by Transport that were started,
	// and Attempt the number of the winner among them, from 1.
	Attempt, Attempts int

	// Lost reports whether a connection started before the winner, to Addr by
	// Transport, was not answered: a packet was lost or is late. If it is false and
	// Attempt is not 1, the race closed the others to wait for another's banner.
	Lost bool

	// Before has the attempts at Addr by the Transports before the winner's. Err is
	// ErrNoAnswer or ErrNoBanner for one that was still pending.
	Before []Failure
}
