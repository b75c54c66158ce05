package engine

import (
	"errors"
	"fmt"
	"time"
)

// ErrHangup ends a race when the other end of a Hangup descriptor is gone.
var ErrHangup = errors.New("the reader of the result is gone")

// ErrNoBanner is why a candidate failed that connected, and said nothing that
// Dialer.Banner asks for.
var ErrNoBanner = errors.New("connected, but no banner came")

// ErrNotAsked is why a candidate failed that connected, and whose server did not
// see it: with Dialer.Banner, one server is waited for at a time.
var ErrNotAsked = errors.New("connected, but it was another server's turn to send a banner")

// ErrNoAnswer is what is known of an attempt that had neither connected nor
// failed when another won: with Delay between them, no more than a lost packet,
// or that its packets are dropped.
var ErrNoAnswer = errors.New("no answer")

// ErrLocal is matched by the error of an attempt that this machine refused, by
// its routes or rules: no packet has left it.
var ErrLocal = errors.New("refused by this machine")

// ErrNotTried is the reason of a candidate whose turn had not come.
var ErrNotTried = errors.New("not tried: the race was over before its turn")

// A Failure says why one candidate came to nothing.
type Failure struct {
	Candidate               // whose Addr is not valid if the name has failed
	Also      []Target      // others that led to Addr
	Family    Family        // of the name's addresses; AnyFamily for both
	Attempts  int           // connections begun to Addr by Transport
	Err       error         // the cause: an errno, a *net.DNSError, ...
	At        time.Duration // since the race began
}

func (f Failure) Error() string {
	switch {
	case f.Family != AnyFamily:
		return fmt.Sprintf("%s: lookup of %s addresses: %v", f.Target.Host, f.Family, f.Err)
	case !f.Addr.IsValid():
		return fmt.Sprintf("%s: %v", f.Target.Host, f.Err)
	case f.Transport == "":
		return fmt.Sprintf("%s: %v", f.Addr, f.Err)
	}
	from := ""
	if f.Interface != "" {
		from = " from " + f.Interface
	}
	return fmt.Sprintf("connect %s %s%s: %v", f.Transport, f.Addr, from, f.Err)
}

func (f Failure) Unwrap() error { return f.Err }

// An Error is a race that nobody won.
type Error struct {
	// Cause is what ended it early: context.DeadlineExceeded when Timeout
	// was over, ErrHangup, or the context's error; nil when every candidate
	// had failed.
	Cause error

	// Elapsed is how long it took.
	Elapsed time.Duration

	// Failures has every candidate, in the order in which they failed; those
	// still under way at the end have Err Cause.
	Failures []Failure
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("race: %v", e.Cause)
	}
	if len(e.Failures) == 1 {
		return "race: " + e.Failures[0].Error()
	}
	return fmt.Sprintf("race: all %d candidates failed", len(e.Failures))
}

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
