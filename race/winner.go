package race

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"fdrace/internal/engine"
)

// A Winner is the connection that a race returns. Its caller owns it, and calls one of
// Conn, File and Close. The socket is close-on-exec; SO_KEEPALIVE and TCP_NODELAY are
// set.
type Winner struct {
	Candidate

	Elapsed      time.Duration // from the call of Dial to the win
	Tried, Known int           // addresses tried by then, and addresses known

	// Attempts is the number of connections to Addr by Transport that were started,
	// and Attempt the number of the winner among them, from 1.
	Attempt, Attempts int

	// Lost reports whether a connection started before the winner, to Addr by
	// Transport, was not answered: a packet was lost or is late.
	Lost bool

	// Before has the attempts at Addr by the Transports before the winner's. Err is
	// ErrNoAnswer for one that was still pending.
	Before []Failure

	mu   sync.Mutex
	file *os.File // nil once it has another owner
}

func newWinner(w *engine.Winner) *Winner {
	c := newCandidate(w.Candidate)
	won := &Winner{
		Candidate: c,
		Elapsed:   w.Elapsed,
		Tried:     w.Tried,
		Known:     w.Known,
		Attempt:   w.Attempt,
		Attempts:  w.Attempts,
		Lost:      w.Lost,
		file:      os.NewFile(uintptr(w.FD), c.String()),
	}
	for _, f := range w.Before {
		won.Before = append(won.Before, newFailure(f))
	}
	return won
}

// Conn returns the connection as a *net.TCPConn or *net.UnixConn, which the caller
// closes. The Winner does not own it any more. After an error, such as for a vsock
// socket, it still does: use File.
func (w *Winner) Conn() (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil, w.taken()
	}
	c, err := net.FileConn(w.file) // which has a descriptor of its own
	if err != nil {
		return nil, fmt.Errorf("race: %w", err)
	}
	_ = w.file.Close() // the socket stays open by c's descriptor
	w.file = nil
	return c, nil
}

// File returns the connection as a file in blocking mode, which the caller closes. The
// Winner does not own it any more.
func (w *Winner) File() (*os.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil, w.taken()
	}
	f := w.file
	w.file = nil
	return f, nil
}

// Close closes the connection if the Winner still owns it.
func (w *Winner) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}

func (w *Winner) taken() error {
	return fmt.Errorf("race: connection to %s: %w: Conn, File or Close was called before", w.Candidate, os.ErrClosed)
}
