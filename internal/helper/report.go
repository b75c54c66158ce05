package helper

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// What people read. One line "fdrace: what happened: why", lower case, no full
// stop; after a race that nobody won, one indented line for each candidate.

// deaf says that stderr's reader took nothing for 100 ms.
var deaf bool

// say writes one line, or several, to stderr, and waits for nobody: ssh waits
// for us. It goes around os.Stderr, whose Write blocks where the reader is slow,
// and where there is none kills the process by SIGPIPE.
func say(format string, args ...any) {
	for b := fmt.Appendf(nil, format+"\n", args...); len(b) > 0 && !deaf; {
		p := []unix.PollFd{{Fd: 2, Events: unix.POLLOUT}}
		ready, err := unix.Poll(p, 100)
		if err == unix.EINTR {
			continue
		}
		if deaf = ready == 0; deaf || err != nil {
			return
		}
		n, err := unix.Write(2, b[:min(len(b), 512)]) // PIPE_BUF: for as much as that POLLOUT is good
		if err != nil {
			return
		}
		b = b[n:]
	}
}

// over says what protocol is spoken, where that is a question: not of a socket, of
// a proxy, whose name has it, or of what was not tried.
func over(transport string) string {
	if transport != "tcp" && transport != "mptcp" {
		return ""
	}
	return " over " + strings.ToUpper(transport)
}

// from says what interface something is bound to.
func from(name string) string {
	if name == "" {
		return ""
	}
	return " from " + name
}

// Took writes a time to a tenth of a millisecond.
func Took(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// winner is the line of -v.
func winner(w *engine.Winner) string {
	line := fmt.Sprintf("fdrace: %s%s%s in %s, %d of %d tried", w.Addr, Protocol(w, mptcp.InUseFD), from(w.Interface), Took(w.Elapsed), w.Tried, w.Of)
	if w.Attempts > 1 {
		line += ", " + attempts(w.Attempts)
	}
	if w.Lost {
		line += ": a packet was lost"
	}
	return line
}

// Protocol tells what the winner really speaks, which inUse knows of its FD, and
// of plain TCP where MPTCP was wished for, why it is that.
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
			return fmt.Sprintf("%s (%s)", over(w.Transport), noMPTCP(b.Err))
		}
	}
	return over(w.Transport)
}

// noMPTCP says why the twin of an MPTCP attempt has won, which ended so.
func noMPTCP(err error) string {
	switch {
	case errors.Is(err, engine.ErrNoAnswer):
		return "MPTCP packets are dropped on the way"
	case errors.Is(err, engine.ErrNoBanner):
		return "MPTCP connects, but its data are dropped on the way"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return "MPTCP is reset on the way"
	}
	return Words(err, engine.Addr{})
}

// event is a line of -vv.
func event(e engine.Event) string {
	what := e.Kind.String() + " "
	if e.Addr.IsValid() {
		what += e.Addr.String() + over(e.Transport) + from(e.Interface)
	} else {
		what += e.Target.Host + family(e)
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
		what += ": " + Words(e.Err, e.Addr)
	}
	return fmt.Sprintf("fdrace: %8s  %s", Took(e.At), what)
}

func attempts(n int) string { return fmt.Sprintf("%d attempts", n) }

func family(e engine.Event) string {
	if e.Family == engine.AnyFamily {
		return ""
	}
	return ", " + e.Family.String()
}

// warnUnbound says once, in one line, that this kernel refuses to bind sockets
// to interfaces without privilege. The race goes on by the normal route.
func warnUnbound() func(engine.Event) {
	said := false
	return func(e engine.Event) {
		if e.Kind == engine.Failed && e.Interface != "" && errors.Is(e.Err, unix.EPERM) && !said {
			said = true
			say("fdrace: --every-interface has no effect: %v (before Linux 5.7 it needs CAP_NET_RAW)", e.Err)
		}
	}
}
