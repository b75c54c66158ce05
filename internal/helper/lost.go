package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fdrace/internal/engine"

	"golang.org/x/sys/unix"
)

// What people read of a race that nobody won.

// raceError is a lost race with what a report of it needs to know.
type raceError struct {
	error
	targets []engine.Target
	dialer  *engine.Dialer
	plain   netip.Addr // answers plain TCP, and was silent to MPTCP
}

// plainTimeout bounds the question whether plain TCP is answered.
const plainTimeout = time.Second

// newRaceError is for a race of d that has ended with err. Where MPTCP is required
// and was not answered, it asks by plain TCP whether somebody is there: a kernel
// that is let to fall back would say so, and then pause MPTCP. No server sees that.
func newRaceError(ctx context.Context, err error, targets []engine.Target, d *engine.Dialer) *raceError {
	e := &raceError{error: err, targets: targets, dialer: d}
	for _, p := range d.Proxies {
		if len(e.targets) == 0 {
			e.targets = []engine.Target{p.Target}
		}
	}
	for _, c := range d.Commands {
		if len(e.targets) == 0 {
			e.targets = []engine.Target{c.Target}
		}
	}
	var lost *engine.Error
	if !errors.As(err, &lost) || lost.Cause != context.DeadlineExceeded || !e.onlyMPTCP() || !has(lost.Failures, unanswered) {
		return e
	}
	plain := *d
	plain.Transports, plain.Probe, plain.RunAll, plain.Banner = nil, true, false, ""
	plain.Report, plain.OnProgress = nil, nil
	plain.Timeout = plainTimeout
	w, err := plain.Dial(ctx, targets...)
	if err != nil {
		return e
	}
	_ = unix.SetsockoptLinger(w.FD, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(w.FD)
	for _, f := range lost.Failures {
		if f.Addr == w.Addr && unanswered(f) {
			e.plain = w.Addr.Addr()
		}
	}
	return e
}

// unanswered reports whether nobody has answered an attempt by MPTCP.
func unanswered(f engine.Failure) bool {
	return f.Transport == "mptcp" && timedOut(f) && !errors.Is(f.Err, engine.ErrNoBanner)
}

func (e *raceError) Unwrap() error { return e.error }

// explain puts err into words.
func explain(err error) string {
	var e *raceError
	var lost *engine.Error
	if !errors.As(err, &e) || !errors.As(err, &lost) {
		return fmt.Sprintf("fdrace: %v", err)
	}
	words := "fdrace: " + e.headline(lost)
	for _, line := range e.fold(lost.Failures) {
		words += "\n  " + line
	}
	if hint := e.hint(lost); hint != "" {
		words += "\nfdrace: hint: " + hint
	}
	return words
}

// Lost says of a race that ended with err, in one line each, what happened, and
// what a person might do about it: "" where nothing of that is known.
func Lost(err *engine.Error, targets []engine.Target, d *engine.Dialer) (what, hint string) {
	e := newRaceError(context.Background(), err, targets, d)
	return e.headline(err), e.hint(err)
}

func (e *raceError) headline(lost *engine.Error) string {
	to := e.targets[0].String()
	if len(e.targets) > 1 {
		to = fmt.Sprintf("any of %d targets", len(e.targets))
	}
	return fmt.Sprintf("no connection to %s: %s", to, e.why(lost))
}

func (e *raceError) why(lost *engine.Error) string {
	switch n := len(lost.Failures); {
	case errors.Is(lost.Cause, context.DeadlineExceeded) && e.plain.IsValid():
		return fmt.Sprintf("%s: %s", errDropped, e.timedOut())
	case errors.Is(lost.Cause, context.DeadlineExceeded):
		return e.timedOut()
	case lost.Cause != nil:
		return lost.Cause.Error()
	case n == 1:
		return e.by(lost.Failures[0]) + e.reason(lost.Failures[0])
	default:
		return fmt.Sprintf("all %d candidates failed", n)
	}
}

// by names the proxy or the command whose failure f is, if it is not the target's.
func (e *raceError) by(f engine.Failure) string {
	var said *engine.ProxyError
	isServer := func(p engine.Proxy) bool { return p.Server == f.Target }
	switch {
	case errors.As(f.Err, &said): // which says so itself
	case f.Addr.Proxy != nil, f.Addr.Command != nil:
		return f.Addr.String() + ": "
	case !slices.Contains(e.targets, f.Target) && slices.ContainsFunc(e.dialer.Proxies, isServer):
		return f.Target.Host + ": "
	}
	return ""
}

func (e *raceError) timedOut() string { return fmt.Sprintf("timed out after %v", e.dialer.Timeout) }

// Of the failures with one reason so many are shown, and the others counted,
// where there are at least two.
const shown = 3

// fold returns a line for each failure, in order, or for several.
func (e *raceError) fold(failures []engine.Failure) (lines []string) {
	failures = joinFamilies(failures)
	alike := map[string][]engine.Failure{}
	for _, f := range failures {
		reason := e.reason(f)
		alike[reason] = append(alike[reason], f)
	}
	seen := map[string]int{}
	for _, f := range failures {
		reason := e.reason(f)
		seen[reason]++
		switch all := alike[reason]; {
		case seen[reason] <= shown || len(all) == shown+1:
			lines = append(lines, e.failure(f))
		case seen[reason] == shown+1:
			lines = append(lines, e.others(all[shown:], reason))
		}
	}
	return lines
}

// joinFamilies makes one failure of the two of a name whose lookups for IPv6 and
// IPv4 have failed in the same way.
func joinFamilies(failures []engine.Failure) (joined []engine.Failure) {
	for i, f := range failures {
		same := func(other engine.Failure) bool {
			var dns *net.DNSError
			return f.Family != engine.AnyFamily && other.Family != engine.AnyFamily && other.Target == f.Target &&
				errors.As(f.Err, &dns) && other.Err.Error() == f.Err.Error()
		}
		switch {
		case slices.ContainsFunc(failures[:i], same):
			continue
		case slices.ContainsFunc(failures[i+1:], same):
			f.Family = engine.AnyFamily
		}
		joined = append(joined, f)
	}
	return joined
}

func (e *raceError) others(failures []engine.Failure, reason string) string {
	line := fmt.Sprintf("and %d more: %s", len(failures), reason)
	first, last := failures[0], failures[len(failures)-1]
	if hasTime(first) {
		line += fmt.Sprintf(" (%s to %s)", Took(first.At), Took(last.At))
	}
	return line
}

// failure is one candidate's line: address, protocol, reason and time.
func (e *raceError) failure(f engine.Failure) string {
	name := f.Target.Host
	if f.Addr.IsValid() {
		name = f.Addr.String() + e.ways(f)
	}
	if f.Transport != "" {
		name += over(f.Transport) + from(f.Interface)
	}
	if f.Attempts > 1 {
		name += ", " + attempts(f.Attempts)
	}
	line := fmt.Sprintf("%s: %s", name, e.reason(f))
	if hasTime(f) {
		line += fmt.Sprintf(" (%s)", Took(f.At))
	}
	return line
}

// hasTime is false where the reason has the time in it.
func hasTime(f engine.Failure) bool { return !errors.Is(f.Err, context.DeadlineExceeded) }

// ways names the targets that led to f's address, where that is a question.
func (e *raceError) ways(f engine.Failure) string {
	if f.Addr.Command != nil {
		return ""
	}
	var names []string
	for _, t := range append([]engine.Target{f.Target}, f.Also...) {
		if name := t.String(); name != f.Addr.String() && name != f.Addr.AddrPort.String() {
			names = append(names, t.Host)
		}
	}
	if len(names) == 0 || len(e.targets) == 1 && len(names) == 1 && f.Addr.Proxy == nil {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func (e *raceError) reason(f engine.Failure) string {
	var dns *net.DNSError
	isDNS := errors.As(f.Err, &dns)
	switch {
	case f.Family != engine.AnyFamily && isDNS:
		return fmt.Sprintf("its %s addresses: %s: %s", f.Family, Words(dns, f.Addr), e.timedOut())
	case f.Family != engine.AnyFamily:
		return fmt.Sprintf("no answer for its %s addresses: %s", f.Family, e.timedOut())
	case isDNS && errors.Is(f.Err, context.DeadlineExceeded):
		return Words(dns, f.Addr) + ": " + e.timedOut()
	}
	if errors.Is(f.Err, context.DeadlineExceeded) {
		switch {
		case errors.Is(f.Err, engine.ErrNoBanner):
			return engine.ErrNoBanner.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, engine.ErrNoReply):
			return engine.ErrNoReply.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, engine.ErrNotAsked):
			return engine.ErrNotAsked.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, unix.EAGAIN) && f.Addr.Socket.Path != "":
			return "its backlog is full: " + e.timedOut()
		case e.plain.IsValid() && f.Addr.Addr() == e.plain && unanswered(f):
			return fmt.Sprintf("%s: %s", errDropped, e.timedOut())
		}
		return e.timedOut()
	}
	return Words(f.Err, f.Addr)
}

// Words says why an attempt to connect to addr, or a lookup, ended with err.
func Words(err error, addr engine.Addr) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return dns.Err
		case dns.IsTimeout && dns.Server != "":
			return dns.Err
		case dns.IsTimeout:
			return "no answer from the name server"
		}
		return "name lookup failed: " + dns.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, engine.ErrNoBanner):
		return engine.ErrNoBanner.Error()
	case errors.Is(err, engine.ErrNoReply):
		return engine.ErrNoReply.Error()
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, engine.ErrNotAsked):
		return engine.ErrNotAsked.Error()
	case errors.Is(err, unix.EAGAIN) && addr.Socket.Path != "":
		return "its backlog is full"
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	case errors.Is(err, unix.EMFILE):
		return err.Error() + " (ulimit -n raises the limit)"
	}
	if more := meaning(err, addr); more != "" {
		return fmt.Sprintf("%v (%s)", err, more)
	}
	return err.Error()
}

// meaning says what the errno of a connect means where strerror does not.
func meaning(err error, addr engine.Addr) string {
	local := errors.Is(err, engine.ErrLocal)
	errno, ok := err.(unix.Errno) // and not that of a bind, which means something else
	if local {
		ok = errors.As(err, &errno)
	}
	switch {
	case !ok || !addr.AddrPort.IsValid():
		return ""
	case local && errno == unix.ENETUNREACH:
		return "no " + familyOf(addr) + " route"
	case local && errno == unix.EPERM:
		return "a firewall on this machine forbids it"
	case local && errno == unix.EACCES:
		return "a route or a security policy of this machine forbids it"
	case local && errno == unix.EINVAL:
		return "a blackhole route drops it, or what it is bound to does not lead there"
	case !local && errno == unix.EACCES:
		return "a firewall on the way rejects it" // ICMPv6 code 1, RFC 4443 section 3.1
	}
	return ""
}

func familyOf(addr engine.Addr) string {
	if addr.Addr().Is4() {
		return engine.IPv4.String()
	}
	return engine.IPv6.String()
}
