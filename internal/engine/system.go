package engine

import (
	"errors"
	"net/netip"
	"time"
)

// system abstracts the kernel, the resolver and the clock. In a fake, only Wait advances
// time. A race calls it from one goroutine.
type system interface {
	// Now returns the time since the race began.
	Now() time.Duration

	// Lookup asks a question. Wait returns the answers.
	Lookup(q question)

	// Abandon ends a lookup that has no answer. The error, if any, says what the name
	// servers have done so far.
	Abandon(q question) error

	// Refresh forgets what is known of the network, which may have changed while the
	// race was waiting.
	Refresh()

	// Route reports whether there is a route to the internet in a family.
	Route(f Family) bool

	// Sort puts the addresses of one name into the order of RFC 6724.
	Sort(addrs []netip.Addr)

	// InterfaceName returns the name of the interface that zone is the name, an
	// alternative name or the index of. If there is none, it returns zone.
	InterfaceName(zone string) string

	// Connect starts a connection, bound to the interface iface unless that is empty.
	// done reports whether it is complete already; if not, Wait returns its
	// completion. After an error there is no descriptor. The error is an errSocket if
	// the socket could not be made, whatever the address.
	Connect(t *Transport, to Addr, iface string) (fd int, done bool, err error)

	// Wait returns when something has happened, and at until at the latest. An error
	// ends the race: it is ErrHangup, or the context's.
	Wait(until time.Duration) (events, error)

	// Verify returns what is wrong with fd, which has connected. It does not complete
	// the handshake where the system can hold back the ACK.
	Verify(t *Transport, fd int) error

	// Hold has Wait return fd, which has connected, only when it fails.
	Hold(fd int)

	// Look completes the handshake of fd and looks for the banner. It returns
	// errNotYet if none has come, and Wait returns fd when there is more; or errHalf
	// if a part has come, and Wait returns fd only when the server has closed it.
	Look(t *Transport, fd int) error

	// AnswersOthers reports whether the server of fd has sent something since then to
	// another connection of this machine, from the same address, that is as young as one
	// that logs in. It returns false where the system cannot tell.
	AnswersOthers(fd int, since time.Duration) bool

	// Converse sends and receives what h has to, on fd. It returns errNotYet until h
	// is done, and Wait returns fd when Converse can go on.
	Converse(fd int, h *handshake) error

	// Heard looks for a banner from a command. It returns errNotYet or errHalf as Look
	// does.
	Heard(fd int) error

	// StartCheck has start start a program that checks the server of fd, which has
	// connected. It completes fd's handshake and closes fd. Wait returns check, the
	// program's stderr, when there is something to be read; Close ends the program.
	// After an error fd is still open.
	StartCheck(fd int, start func(conn, stderr int) (pid int, err error)) (check int, err error)

	// ReadCheck returns all that the program has written, and whether it has ended.
	ReadCheck(check int) (said string, ended bool)

	// Finish completes the handshake of fd and makes it what Winner.FD promises. The
	// system does not own it any more.
	Finish(fd int)

	// Close ends a connection of t, or an attempt at one. The peer receives a reset at
	// most.
	Close(t *Transport, fd int)
}

// events is what Wait returns. The race handles the answers first, and the completions in
// the order in which the attempts started.
type events struct {
	answers     []answer
	completions []completion
}

// A completion says that a descriptor has connected, or has something to read, or has
// failed with err.
type completion struct {
	fd  int
	err error
}

// errSocket wraps the error of Transport.Socket.
type errSocket struct{ error }

func (e errSocket) Unwrap() error { return e.error }

// errNotYet is what Look, Converse and Heard return if nothing has come yet.
var errNotYet = errors.New("nothing yet")
