//go:build unix

package helper

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/term"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// People read lines "fdrace: what happened: why", in lower case and without a full stop;
// after a race that nobody won, also an indented line for each candidate.

// stderrStalled is set once stderr was not writable for 100 ms; later output is
// dropped.
var stderrStalled bool

// maxLine is the length to which lines are cut, in bytes. A line can only be longer if it
// repeats a part of a very long command line.
const maxLine = 1000

// printErr writes lines to stderr. It does not wait for a reader that stalls for more than
// 100 ms, as ssh waits for this process. It does not use os.Stderr, whose Write blocks if
// the reader is slow, and ends the process with SIGPIPE if there is none.
func printErr(lines ...string) {
	var b []byte
	for _, line := range lines {
		b = append(append(b, term.Printable(line[:min(len(line), maxLine)])...), '\n')
	}
	for len(b) > 0 && !stderrStalled {
		p := []unix.PollFd{{Fd: 2, Events: unix.POLLOUT}}
		ready, err := unix.Poll(p, 100)
		if err == unix.EINTR {
			continue
		}
		if stderrStalled = ready == 0; stderrStalled || err != nil {
			return
		}
		n, err := unix.Write(2, b[:min(len(b), 512)]) // after POLLOUT, PIPE_BUF bytes do not block
		if err != nil {
			return
		}
		b = b[n:]
	}
}

// overProtocol returns " over TCP" or " over MPTCP". It returns "" for other transports,
// which are clear from the address, and if nothing was tried.
func overProtocol(transport string) string {
	if transport != "tcp" && transport != "mptcp" {
		return ""
	}
	return " over " + strings.ToUpper(transport)
}

// fromInterface returns " from " and the name of the interface that a socket is bound to, or
// "" if it is not bound.
func fromInterface(name string) string {
	if name == "" {
		return ""
	}
	return " from " + name
}

// FormatMS returns d in milliseconds with one decimal, such as "20.4 ms".
func FormatMS(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// winnerLine is the line that -v prints.
func winnerLine(w *engine.Winner) string {
	line := fmt.Sprintf("fdrace: %s%s%s in %s, %d of %d tried", term.Sanitize(w.Addr.String()), Protocol(w, mptcp.InUseFD), fromInterface(w.Interface), FormatMS(w.Elapsed), w.Tried, w.Known)
	if w.Attempts > 1 {
		line += ", " + attempts(w.Attempts)
	}
	if w.Lost {
		line += ": a packet was lost"
	}
	return line
}

// Protocol returns the protocol that the winner really uses, such as " over MPTCP", by
// what inUse reports about its FD, and why it is plain TCP if MPTCP was requested.
func Protocol(w *engine.Winner, inUse func(fd int) (bool, error)) string {
	if w.Transport == "mptcp" {
		switch yes, err := inUse(w.FD); {
		case err != nil:
			return fmt.Sprintf(" over MPTCP (unconfirmed: %v)", err)
		case yes:
			return " over MPTCP"
		}
		return fmt.Sprintf(" over TCP (%v)", whyTCP())
	}
	for _, b := range w.Before {
		if b.Transport == "mptcp" {
			return fmt.Sprintf("%s (%s)", overProtocol(w.Transport), noMPTCP(b.Err))
		}
	}
	return overProtocol(w.Transport)
}

// noMPTCP says why plain TCP has won, given the error of the MPTCP attempt.
func noMPTCP(err error) string {
	switch {
	case errors.Is(err, engine.ErrNoAnswer):
		return "MPTCP packets are dropped on the way"
	case errors.Is(err, engine.ErrNoBanner):
		return "MPTCP connects, but its data are dropped on the way"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return "MPTCP is reset on the way"
	}
	return Reason(err, engine.Addr{})
}

// eventLine is a line of -vv.
func eventLine(e engine.Event) string {
	what := e.Kind.String() + " "
	if e.Addr.IsValid() {
		what += term.Sanitize(e.Addr.String()) + overProtocol(e.Transport) + fromInterface(e.Interface)
	} else {
		what += term.Sanitize(e.Target.Host) + family(e)
	}
	for _, a := range e.Addrs {
		what += " " + a.String()
	}
	if e.Replaces {
		what += ", in place of the answer before"
	}
	switch {
	case e.Kind == engine.Start && e.Attempt > 1:
		what += fmt.Sprintf(", attempt %d", e.Attempt)
	case e.Attempt > 1:
		what += ", " + attempts(e.Attempt)
	}
	if e.Err != nil {
		what += ": " + Reason(e.Err, e.Addr)
	}
	return fmt.Sprintf("fdrace: %8s  %s", FormatMS(e.At), what)
}

func attempts(n int) string { return fmt.Sprintf("%d attempts", n) }

func family(e engine.Event) string {
	if e.Family == engine.AnyFamily {
		return ""
	}
	return ", " + e.Family.String()
}

// warnUnbound returns a function that warns once if this kernel refuses to bind sockets to
// interfaces without privilege. The race continues by the normal route.
func warnUnbound() func(engine.Event) {
	said := false
	return func(e engine.Event) {
		if e.Kind == engine.Failed && e.Interface != "" && errors.Is(e.Err, unix.EPERM) && !said {
			said = true
			printErr(fmt.Sprintf("fdrace: --every-interface has no effect: %v (before Linux 5.7 it needs CAP_NET_RAW)", e.Err))
		}
	}
}
