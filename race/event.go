package race

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
)

// A Candidate is one address of a race and a way to connect to it.
type Candidate struct {
	// Target is the first of the targets that led to the address.
	Target Target

	// Addr is the peer's address. It is not valid if the target has no address, or
	// none yet, or if Socket is set.
	Addr netip.AddrPort

	// Socket is the peer if it is not reached by IP: "unix:/path",
	// "vsock:CID:PORT" or "vsock-mux:/path port PORT".
	Socket string

	Interface string // the network interface that the socket is bound to, if any
	Transport string // the Transport's Name, or "unix", "vsock" or "vsock-mux"; empty if nothing was tried
}

// String returns Socket or Addr or, if neither is set, Target.
func (c Candidate) String() string {
	switch {
	case c.Socket != "":
		return c.Socket
	case c.Addr.IsValid():
		return c.Addr.String()
	}
	return c.Target.String()
}

func newCandidate(c engine.Candidate) Candidate {
	to := Candidate{Target: Target(c.Target), Addr: c.Addr.AddrPort, Interface: c.Interface, Transport: c.Transport}
	if c.Addr.Socket != (resolve.Socket{}) {
		to.Socket = c.Addr.String()
	}
	return to
}

// An EventKind says what an Event reports.
type EventKind int

const (
	Resolve   EventKind = iota // a lookup of a name has started
	Resolved                   // a lookup has an answer: Addrs, or Err
	Start                      // an attempt has started
	Connected                  // an attempt has connected
	Failed                     // an attempt, or a target, has failed: Err
	Won                        // an attempt is the winner
	Cancelled                  // an attempt or a lookup was pending when the race ended; Err is nil if there is a winner
)

// String returns the kind in lower case, such as "resolved".
func (k EventKind) String() string { return engine.EventKind(k).String() }

// An Event is one step of a race. All attempts at one address by one transport are
// reported as one: each has a Start, and together they have one of Failed, Won and
// Cancelled.
type Event struct {
	At   time.Duration // since the race began
	Kind EventKind
	Candidate
	Family  Family       // of a lookup
	Addrs   []netip.Addr // Resolved: the answer
	Attempt int          // Start: the attempt's number, from 1; else the number of attempts
	Err     error        // Resolved, Failed and Cancelled
}

func newEvent(e engine.Event) Event {
	return Event{
		At:        e.At,
		Kind:      EventKind(e.Kind),
		Candidate: newCandidate(e.Candidate),
		Family:    Family(e.Family),
		Addrs:     e.Addrs,
		Attempt:   e.Attempt,
		Err:       e.Err,
	}
}

var (
	// ErrNoAnswer marks an attempt still pending when another one won. A single
	// lost packet can cause it.
	ErrNoAnswer = engine.ErrNoAnswer

	// ErrLocal is matched by the error of an attempt that this machine refused, by
	// its routes or rules: no packet was sent.
	ErrLocal = engine.ErrLocal

	// ErrNotTried marks an address whose turn had not come when the race ended.
	ErrNotTried = engine.ErrNotTried
)

// A Failure says why a candidate did not win.
type Failure struct {
	Candidate               // Addr is not valid, and Socket empty, if it is the target that has failed
	Also      []Target      // other targets that led to the address
	Family    Family        // of a lookup that had no answer when the race ended; else AnyFamily
	Attempts  int           // connections started
	Err       error         // the cause: an errno, a *net.DNSError, ...
	At        time.Duration // since the race began
}

func newFailure(f engine.Failure) Failure {
	to := Failure{
		Candidate: newCandidate(f.Candidate),
		Family:    Family(f.Family),
		Attempts:  f.Attempts,
		Err:       f.Err,
		At:        f.At,
	}
	for _, t := range f.Also {
		to.Also = append(to.Also, Target(t))
	}
	return to
}

// Error returns the candidate, with its transport and interface if it has them, and Err.
func (f Failure) Error() string {
	how := f.Candidate.String()
	if f.Transport != "" {
		how += " over " + f.Transport
	}
	if f.Interface != "" {
		how += " from " + f.Interface
	}
	return fmt.Sprintf("%s: %v", how, f.Err)
}

// Unwrap returns Err.
func (f Failure) Unwrap() error { return f.Err }

// An Error describes a race that produced no connection.
type Error struct {
	// Cause is what ended the race early: context.DeadlineExceeded for Timeout, or
	// the context's error; nil if every candidate had failed.
	Cause error

	Elapsed time.Duration // from the call of Dial

	// Failures has every candidate, in the order in which they failed. The Err of an
	// attempt or a lookup still pending at the end matches Cause.
	Failures []Failure
}

// newError returns err as an *Error if it is one of engine's.
func newError(err error) error {
	var lost *engine.Error
	if !errors.As(err, &lost) {
		return err
	}
	e := &Error{Cause: lost.Cause, Elapsed: lost.Elapsed}
	for _, f := range lost.Failures {
		e.Failures = append(e.Failures, newFailure(f))
	}
	return e
}

// Error returns Cause, the only failure, or the number of failures.
func (e *Error) Error() string {
	switch {
	case e.Cause != nil:
		return fmt.Sprintf("race: %v", e.Cause)
	case len(e.Failures) == 1:
		return "race: " + e.Failures[0].Error()
	}
	return fmt.Sprintf("race: all %d candidates failed", len(e.Failures))
}

// Unwrap returns Cause and the Failures.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	for _, f := range e.Failures {
		errs = append(errs, f)
	}
	return errs
}
