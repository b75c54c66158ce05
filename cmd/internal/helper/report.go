package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"fdrace/mptcp"
	"fdrace/race"

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

// raceError is a lost race with what a report of it needs to know.
type raceError struct {
	error
	targets []race.Target
	timeout time.Duration
}

func (e *raceError) Unwrap() error { return e.error }

// explain puts err into words.
func explain(err error) string {
	var e *raceError
	var lost *race.Error
	if !errors.As(err, &e) || !errors.As(err, &lost) {
		return fmt.Sprintf("fdrace: %v", err)
	}
	to := e.targets[0].String()
	if len(e.targets) > 1 {
		to = fmt.Sprintf("any of %d targets", len(e.targets))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "fdrace: no connection to %s: %s", to, e.why(lost))
	for _, f := range lost.Failures {
		fmt.Fprintf(&b, "\n  %s", e.failure(f))
	}
	return b.String()
}

func (e *raceError) why(lost *race.Error) string {
	switch n := len(lost.Failures); {
	case errors.Is(lost.Cause, context.DeadlineExceeded):
		return e.timedOut()
	case lost.Cause != nil:
		return lost.Cause.Error()
	case n == 1:
		return e.reason(lost.Failures[0])
	default:
		return fmt.Sprintf("all %d candidates failed", n)
	}
}

func (e *raceError) timedOut() string { return fmt.Sprintf("timed out after %v", e.timeout) }

// failure is one candidate's line: address, protocol, reason and time.
func (e *raceError) failure(f race.Failure) string {
	name := f.Target.Host
	if f.Addr.IsValid() {
		name = f.Addr.String() + e.ways(f)
	}
	if f.Transport != "" {
		name += over(f.Transport) + from(f.Interface)
	}
	if errors.Is(f.Err, context.DeadlineExceeded) {
		return fmt.Sprintf("%s: %s", name, e.reason(f)) // which has the time in it
	}
	return fmt.Sprintf("%s: %s (%s)", name, e.reason(f), took(f.At))
}

// ways names the targets that led to f's address, where that is a question.
func (e *raceError) ways(f race.Failure) string {
	var names []string
	for _, t := range append([]race.Target{f.Target}, f.Also...) {
		if name := t.String(); name != f.Addr.String() {
			names = append(names, t.Host)
		}
	}
	if len(names) == 0 || len(e.targets) == 1 && len(names) == 1 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func (e *raceError) reason(f race.Failure) string {
	if f.Family != race.AnyFamily {
		return fmt.Sprintf("no answer for its %s addresses: %s", f.Family, e.timedOut())
	}
	if errors.Is(f.Err, context.DeadlineExceeded) {
		if errors.Is(f.Err, race.ErrNoBanner) {
			return race.ErrNoBanner.Error() + ": " + e.timedOut()
		}
		return e.timedOut()
	}
	return words(f.Err)
}

// over says what protocol is spoken; of a socket that is no question.
func over(transport string) string {
	if transport == "unix" || transport == "vsock" {
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

// errnos says what the errno of a connect means where strerror does not.
var errnos = map[unix.Errno]string{
	unix.EACCES: "a route or a security policy forbids it",
	unix.EPERM:  "a firewall on this machine forbids it",
	unix.EINVAL: "a blackhole route drops it",
}

func words(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return dns.Err
		case dns.IsTimeout:
			return "no answer from the name server"
		}
		return "the name server failed: " + dns.Err
	}
	if errors.Is(err, unix.EMFILE) {
		return err.Error() + " (ulimit -n raises the limit)"
	}
	// Of a connect, that is; of a bind the same errno means something else.
	if errno, ok := err.(unix.Errno); ok && errnos[errno] != "" {
		return fmt.Sprintf("%v (%s)", err, errnos[errno])
	}
	return err.Error()
}

// took writes a time to a tenth of a millisecond.
func took(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// winner is the line of -v.
func winner(w *race.Winner) string {
	return fmt.Sprintf("fdrace: %s%s%s in %s, %d of %d tried", w.Addr, protocol(w), from(w.Interface), took(w.Elapsed), w.Tried, w.Of)
}

// protocol tells what the winner really speaks, and of plain TCP where MPTCP was
// wished for, why it is that.
func protocol(w *race.Winner) string {
	if w.Transport == "mptcp" {
		switch yes, err := mptcp.InUseFD(w.FD); {
		case err != nil:
			return fmt.Sprintf(" over MPTCP (unconfirmed: %v)", err)
		case yes:
			return " over MPTCP"
		}
		return fmt.Sprintf(" over TCP (%v)", errNoMPTCP)
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
	case errors.Is(err, race.ErrNoAnswer):
		return "MPTCP packets are dropped on the way"
	case errors.Is(err, race.ErrNoBanner):
		return "MPTCP connects, but its data are dropped on the way"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return "MPTCP is reset on the way"
	}
	return words(err)
}

// event is a line of -vv.
func event(e race.Event) string {
	what := fmt.Sprintf("%s %s%s%s", e.Kind, e.Addr, over(e.Transport), from(e.Interface))
	switch e.Kind {
	case race.Resolve:
		what = "resolve " + e.Target.Host + family(e)
	case race.Resolved:
		what = "resolved " + e.Target.Host + family(e)
		for _, a := range e.Addrs {
			what += " " + a.String()
		}
	}
	if e.Err != nil && e.Kind != race.Cancelled {
		what += ": " + words(e.Err)
	}
	return fmt.Sprintf("fdrace: %8s  %s", took(e.At), what)
}

func family(e race.Event) string {
	if e.Family == race.AnyFamily {
		return ""
	}
	return ", " + e.Family.String()
}

// warnUnbound says once, in one line, that this kernel refuses to bind sockets
// to interfaces without privilege. The race goes on by the normal route.
func warnUnbound() func(race.Event) {
	said := false
	return func(e race.Event) {
		if e.Kind == race.Failed && e.Interface != "" && errors.Is(e.Err, unix.EPERM) && !said {
			said = true
			say("fdrace: --every-interface has no effect: %v (before Linux 5.7 it needs CAP_NET_RAW)", e.Err)
		}
	}
}
