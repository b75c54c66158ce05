package engine

import (
	"errors"
	"fmt"
	"time"
)

// ErrHangup ends a race when the peer of one of Dialer.Hangup has closed it.
var ErrHangup = errors.New("the process that waits for the connection has exited")

// ErrNoBanner marks an attempt that connected but did not receive Dialer.Banner.
var ErrNoBanner = errors.New("connected, but no banner came")

// ErrNotAsked marks an attempt that connected, but whose server did not see it: with
// Dialer.Banner, the race waits for one server at a time.
var ErrNotAsked = errors.New("connected, but it was another server's turn to send a banner")

// ErrNoAnswer marks an attempt still pending when another won. A single lost SYN can
// cause it.
var ErrNoAnswer = errors.New("no answer")

// ErrLocal is matched by the error of an attempt that this machine refused, by its routes
// or rules: no packet was sent.
var ErrLocal = errors.New("refused by this machine")

// ErrNotTried marks an address whose turn had not come when the race ended.
var ErrNotTried = errors.New("not tried: the race was over before its turn")

// A Failure says why a candidate did not win.
type Failure struct {
	Candidate               // Addr is not valid if it is the name that has failed
	Also      []Target      // other targets that led to Addr
	Family    Family        // of a lookup that had no answer when the race ended; else AnyFamily
	Attempts  int           // connections started
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

// Error describes a race that produced no connection.
type Error struct {
	// Cause is what ended the race early: context.DeadlineExceeded for Timeout,
	// ErrHangup, or the context's error; nil if every candidate had failed.
	Cause error

	Elapsed time.Duration // since the race began

	// Failures has every candidate, in the order in which they failed. The Err of an
	// attempt or a lookup still pending at the end matches Cause.
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
