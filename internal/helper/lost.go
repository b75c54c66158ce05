//go:build unix

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
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// This file turns a race that nobody won into messages for people.

// A Loss describes such a race. Text from elsewhere is sanitized (see package term).
type Loss struct {
	What string   // what happened, in one line
	Each []string // a line for each candidate, or for several that failed in the same way
	Hint string   // what to do about it; empty if that is not known

	// NoAddress is the first target, if all are names without an address.
	NoAddress  string
	NoSuchHost bool // none of these names exists
}

// DescribeLoss describes the race of d to targets that ended with err, which has an
// *engine.Error.
func DescribeLoss(err error, targets []engine.Target, d *engine.Dialer) Loss {
	var lost *engine.Error
	if !errors.As(err, &lost) {
		return Loss{What: term.Sanitize(err.Error())}
	}
	return newRaceError(context.Background(), err, targets, d).loss(lost)
}

func (e *raceError) loss(lost *engine.Error) Loss {
	l := Loss{What: e.headline(lost), Each: e.fold(lost.Failures), Hint: e.hint(lost)}
	if all(lost.Failures, notFound) {
		l.NoAddress, l.NoSuchHost = lost.Failures[0].Target.Host, all(lost.Failures, noSuchHost)
	}
	return l
}

// A raceError is a lost race, with what DescribeLoss needs.
type raceError struct {
	error
	targets []engine.Target
	dialer  *engine.Dialer
	plain   netip.Addr // an address that answers plain TCP, but did not answer MPTCP
	offline bool       // this machine has no route to the internet
}

// plainTimeout bounds the race over plain TCP in newRaceError.
const plainTimeout = time.Second

// newRaceError returns the error for a race of d that has ended with err. If MPTCP is
// required and was not answered, it tries plain TCP, to find out whether a server is there.
// The kernel's own fallback to TCP would answer that, too, but would make the kernel pause
// MPTCP. No server sees this connection.
func newRaceError(ctx context.Context, err error, targets []engine.Target, d *engine.Dialer) *raceError {
	e := &raceError{error: err, targets: targets, dialer: d, offline: isOffline()}
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
	plain.Report, plain.OnProgress, plain.HostKey, plain.Wait = nil, nil, nil, 0
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

// lossLines returns the lines about err for stderr and the log.
func lossLines(err error) (lines []string) {
	var e *raceError
	var lost *engine.Error
	if !errors.As(err, &e) || !errors.As(err, &lost) {
		return []string{"fdrace: " + term.Sanitize(err.Error())}
	}
	l := e.loss(lost)
	lines = append(lines, "fdrace: "+l.What)
	for _, line := range l.Each {
		lines = append(lines, "  "+line)
	}
	if l.Hint != "" {
		lines = append(lines, "fdrace: hint: "+l.Hint)
	}
	return append(lines, seeDoctor)
}

// seeDoctor is the last line about a race that nobody won.
const seeDoctor = "fdrace: to find out why ssh ALIAS fails, run: fdrace --doctor ALIAS"

func (e *raceError) headline(lost *engine.Error) string {
	to := term.Sanitize(e.targets[0].String())
	if len(e.targets) > 1 {
		to = fmt.Sprintf("any of %d targets", len(e.targets))
	}
	return fmt.Sprintf("no connection to %s: %s", to, e.why(lost))
}

func (e *raceError) why(lost *engine.Error) string {
	switch {
	case errors.Is(lost.Cause, context.DeadlineExceeded) && e.plain.IsValid():
		return fmt.Sprintf("%s: %s", errDropped, e.timedOut())
	case errors.Is(lost.Cause, context.DeadlineExceeded):
		if one := joinFamilies(lost.Failures); len(one) == 1 {
			return e.by(one[0]) + e.reason(one[0])
		}
		return e.timedOut()
	case lost.Cause != nil:
		return term.Sanitize(lost.Cause.Error())
	case len(lost.Failures) == 0:
		return "there is nothing to try"
	default:
		return e.whyAll(joinFamilies(lost.Failures))
	}
}

// whyAll gives the one reason for which all have failed, if there is one.
func (e *raceError) whyAll(failures []engine.Failure) string {
	n, reason := len(failures), e.reason(failures[0])
	if n == 1 {
		return e.by(failures[0]) + reason
	}
	other := func(f engine.Failure) bool { return e.reason(f) != reason }
	isAddress := func(f engine.Failure) bool {
		var errno unix.Errno
		return f.Addr.AddrPort.IsValid() && f.Addr.Proxy == nil && errors.As(f.Err, &errno)
	}
	addrs := map[engine.Addr]bool{} // an address may have failed over TCP and over MPTCP
	for _, f := range failures {
		addrs[f.Addr] = true
	}
	switch {
	case has(failures, other):
		if n == 2 {
			return "both attempts failed"
		}
		return fmt.Sprintf("all %d attempts failed", n)
	case !all(failures, isAddress) || len(addrs) == 1:
	case len(addrs) == 2:
		return reason + " on both addresses"
	default:
		return fmt.Sprintf("%s on all %d addresses", reason, len(addrs))
	}
	return reason
}

// by returns the name of the proxy or command that has failed, as a prefix of the reason;
// or "" if f is a failure of the target.
func (e *raceError) by(f engine.Failure) string {
	var said *engine.ProxyError
	isServer := func(p engine.Proxy) bool { return p.Server == f.Target }
	switch {
	case errors.As(f.Err, &said): // its text says that it is of the proxy
	case f.Addr.Proxy != nil, f.Addr.Command != nil:
		return term.Sanitize(f.Addr.String()) + ": "
	case !slices.Contains(e.targets, f.Target) && slices.ContainsFunc(e.dialer.Proxies, isServer):
		return term.Sanitize(f.Target.Host) + ": "
	}
	return ""
}

func (e *raceError) timedOut() string {
	limit := e.dialer.Timeout
	if e.dialer.Wait > 0 {
		limit = e.dialer.Wait
	}
	return fmt.Sprintf("timed out after %v", limit)
}

// shown is how many failures with the same reason get a line each. If there are at least
// two more, those are only counted.
const shown = 3

// fold returns the lines about failures, in order: one for each, and one for the rest if
// many have the same reason.
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

// joinFamilies returns failures with one entry instead of two for a name whose IPv6 and
// IPv4 lookups have failed in the same way.
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
		line += fmt.Sprintf(" (%s to %s)", FormatMS(first.At), FormatMS(last.At))
	}
	return line
}

// failure is one candidate's line: address, protocol, reason and time.
func (e *raceError) failure(f engine.Failure) string {
	name := term.Sanitize(f.Target.Host)
	if f.Addr.IsValid() {
		name = term.Sanitize(f.Addr.String()) + e.sources(f)
	}
	if f.Transport != "" {
		name += overProtocol(f.Transport) + fromInterface(f.Interface)
	}
	if f.Attempts > 1 {
		name += ", " + attempts(f.Attempts)
	}
	line := fmt.Sprintf("%s: %s", name, e.reason(f))
	if hasTime(f) {
		line += fmt.Sprintf(" (%s)", FormatMS(f.At))
	}
	return line
}

// hasTime reports whether the time of f is worth printing: a timeout has it already.
func hasTime(f engine.Failure) bool { return !errors.Is(f.Err, context.DeadlineExceeded) }

// sources returns the targets that led to f's address, in parentheses; or "" if that is
// clear without them.
func (e *raceError) sources(f engine.Failure) string {
	if f.Addr.Command != nil {
		return ""
	}
	var names []string
	for _, t := range append([]engine.Target{f.Target}, f.Also...) {
		if name := t.String(); name != f.Addr.String() && name != f.Addr.AddrPort.String() {
			names = append(names, term.Sanitize(t.Host))
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
		return fmt.Sprintf("its %s addresses: %s: %s", f.Family, Reason(dns, f.Addr), e.timedOut())
	case f.Family != engine.AnyFamily:
		return fmt.Sprintf("no answer for its %s addresses: %s", f.Family, e.timedOut())
	case isDNS && errors.Is(f.Err, context.DeadlineExceeded):
		return Reason(dns, f.Addr) + ": " + e.timedOut()
	}
	if errors.Is(f.Err, context.DeadlineExceeded) {
		switch {
		case errors.Is(f.Err, engine.ErrNoBanner):
			return engine.ErrNoBanner.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, engine.ErrNoReply):
			return engine.ErrNoReply.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, engine.ErrNotAsked):
			return engine.ErrNotAsked.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, engine.ErrUnchecked):
			return engine.ErrUnchecked.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, engine.ErrBeingChecked):
			return engine.ErrBeingChecked.Error() + ": " + e.timedOut()
		case errors.Is(f.Err, unix.EAGAIN) && f.Addr.Socket.Path != "":
			return "its backlog is full: " + e.timedOut()
		case e.plain.IsValid() && f.Addr.Addr() == e.plain && unanswered(f):
			return fmt.Sprintf("%s: %s", errDropped, e.timedOut())
		}
		return e.timedOut()
	}
	return Reason(f.Err, f.Addr)
}
