//go:build unix

package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"fdrace/internal/engine"
	"fdrace/internal/hostkey"
	"fdrace/internal/resolve"
	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// hint returns one line about what a person can do about a lost race, as far as the
// failures tell, or "".
func (e *raceError) hint(lost *engine.Error) string {
	var attempts []engine.Failure
	for _, f := range lost.Failures {
		if f.Transport != "" {
			attempts = append(attempts, f)
		}
	}
	switch addr := sameForAll(lost.Failures); {
	case e.dialer.Family != engine.AnyFamily && all(lost.Failures, func(f engine.Failure) bool {
		return f.Addr.Addr().IsValid() && familyOf(f.Addr) != e.dialer.Family.String()
	}):
		return fmt.Sprintf("leave out -%s, or write an %s address", strings.TrimPrefix(e.dialer.Family.String(), "IPv"), e.dialer.Family)
	case e.offline && all(lost.Failures, func(f engine.Failure) bool { return noRoute(f) || lookupFailed(f) }):
		return "this machine is offline: it has no route to any network but its own links"
	case all(attempts, noRoute):
		return e.hintNoRoute(lost, attempts)
	case has(attempts, func(f engine.Failure) bool { return isErrno(f, unix.EPERM) && errors.Is(f.Err, engine.ErrLocal) }):
		return `"nft list ruleset" shows this machine's firewall`
	case all(attempts, func(f engine.Failure) bool {
		return isErrno(f, unix.EHOSTUNREACH) && !errors.Is(f.Err, engine.ErrLocal)
	}):
		return "the host is off, or a firewall rejects the connection" // ICMP codes 1, 10 and 13, RFC 1812 section 5.2.7.1
	case has(attempts, wantsLogin):
		return "write USER:PASSWORD for the proxy into a file, and add --proxy-auth FILE"
	case all(attempts, proxyRefused):
		return "nothing listens at the proxy: is it running?"
	case has(attempts, isAnotherMachine):
		return "another machine answers there; if the expected one has a new host key, remove the old one: " + removeKey(attempts)
	case has(attempts, penalized):
		return "sshd is refusing this address for a while because of too many unfinished connections"
	case addr.IsValid() && has(attempts, silent):
		return fmt.Sprintf("every name resolves to %s here: this network may want a login first, which a web browser shows", addr)
	case has(attempts, silent):
		return "what accepts the connection sends no SSH banner: a firewall, or a network that wants a login first; if it is a server that waits for the client to send first, leave out --banner"
	case has(attempts, func(f engine.Failure) bool { return errors.Is(f.Err, errPaused) }):
		return fmt.Sprintf("%s: %q ends that", whyPaused, "sudo "+Resume)
	case e.onlyMPTCP() && all(attempts, func(f engine.Failure) bool { return errors.Is(f.Err, errNoMPTCP) }),
		e.plain.IsValid():
		return "plain TCP connects: use --mptcp instead of --require-mptcp"
	case e.onlyMPTCP() && has(attempts, timedOut):
		return "something on the way may drop Multipath TCP: with --mptcp instead of --require-mptcp, fdrace also tries plain TCP"
	case all(lost.Failures, noNameServer):
		return "no name server answers (/etc/resolv.conf lists them): try the IP address instead of the name"
	case all(lost.Failures, lookupFailed):
		return "the name servers (/etc/resolv.conf lists them) do not work: try the IP address instead of the name"
	case all(lost.Failures, noSuchHost):
		return "the name does not exist in DNS or /etc/hosts: check the spelling"
	case all(lost.Failures, func(f engine.Failure) bool { return notFound(f) && stub.IsOnion(f.Target.Host) }):
		return "where Tor runs, --no-direct --proxy socks5://127.0.0.1:9050 connects to it"
	}
	return ""
}

// lookupFailed reports whether f is a lookup that the name servers did not answer, so that
// nobody knows whether the name exists.
func lookupFailed(f engine.Failure) bool {
	var dns *net.DNSError
	return f.Transport == "" && !resolve.IsMDNS(f.Target.Host) && (errors.As(f.Err, &dns) && !dns.IsNotFound || f.Family != engine.AnyFamily && timedOut(f))
}

// notFound reports whether a name has no address.
func notFound(f engine.Failure) bool {
	var dns *net.DNSError
	return f.Transport == "" && errors.As(f.Err, &dns) && dns.IsNotFound
}

// noSuchHost reports whether neither DNS nor /etc/hosts has the name.
func noSuchHost(f engine.Failure) bool {
	var dns *net.DNSError
	return notFound(f) && errors.As(f.Err, &dns) && dns.Err == resolve.NoSuchHost
}

// hintNoRoute is for a machine that had no route for any attempt.
func (e *raceError) hintNoRoute(lost *engine.Error, attempts []engine.Failure) string {
	four := has(attempts, func(f engine.Failure) bool { return f.Addr.Addr().Is4() })
	six := has(attempts, func(f engine.Failure) bool { return f.Addr.Addr().Is6() })
	switch {
	case e.dialer.Interface != "":
		return fmt.Sprintf(`"ip route show dev %s" lists the routes there are`, e.dialer.Interface)
	case four && six:
		return "this machine has a route neither for IPv4 nor for IPv6: it seems to be offline"
	case e.dialer.Family != engine.AnyFamily || e.dialer.Bind.IsValid():
		return fmt.Sprintf("the flags leave only %s, for which there is no route", familyOf(attempts[0].Addr))
	case four && lost.Cause == nil:
		return "there is no route for IPv4, and no NAT64 that leads to it: on an IPv6-only network the host needs an IPv6 address"
	case six:
		return "there is no route for IPv6, and no IPv4 address was found or given"
	}
	return ""
}

// sameForAll returns the private address that two or more names resolve to, if there is no
// other address.
func sameForAll(failures []engine.Failure) (same netip.Addr) {
	names := map[string]bool{}
	for _, f := range failures {
		addr := f.Addr.Addr()
		if !addr.IsValid() || !addr.IsPrivate() || same.IsValid() && addr != same {
			return netip.Addr{} // another address, or a name that has none
		}
		same = addr
		for _, t := range append([]engine.Target{f.Target}, f.Also...) {
			if _, err := netip.ParseAddr(t.Host); err != nil {
				names[t.Host] = true
			}
		}
	}
	if len(names) < 2 {
		return netip.Addr{}
	}
	return same
}

// onlyMPTCP reports whether the race was not allowed to use plain TCP.
func (e *raceError) onlyMPTCP() bool {
	return len(e.dialer.Transports) == 1 && e.dialer.Transports[0].Name == "mptcp"
}

func noRoute(f engine.Failure) bool {
	return f.Addr.AddrPort.IsValid() && isErrno(f, unix.ENETUNREACH) && errors.Is(f.Err, engine.ErrLocal)
}

// silent reports whether something accepted the connection and sent no banner.
func silent(f engine.Failure) bool {
	var refusal *engine.Refusal
	return errors.Is(f.Err, engine.ErrNoBanner) && !errors.As(f.Err, &refusal)
}

// penalized reports whether sshd refuses this client for what it did before:
// PerSourcePenalties (OpenSSH 9.8 and later), MaxStartups and PerSourceMaxStartups.
func penalized(f engine.Failure) bool {
	var refusal *engine.Refusal
	return errors.As(f.Err, &refusal) &&
		(strings.HasPrefix(refusal.Said, "Not allowed at this time") || strings.HasPrefix(refusal.Said, "Exceeded MaxStartups"))
}

// proxyRefused reports whether a proxy's own port is closed.
func proxyRefused(f engine.Failure) bool {
	return f.Addr.Proxy != nil && isErrno(f, unix.ECONNREFUSED)
}

// removeKey returns the command that removes the host key that a server should have had.
func removeKey(attempts []engine.Failure) string {
	for _, f := range attempts {
		var m *mismatch
		if errors.As(f.Err, &m) {
			return m.removeCommand()
		}
	}
	return "ssh-keygen -R NAME"
}

// isAnotherMachine reports whether the server has a different host key than known_hosts.
func isAnotherMachine(f engine.Failure) bool { return errors.Is(f.Err, hostkey.ErrMismatch) }

// wantsLogin reports whether a proxy requires a login and was given none, or a wrong one.
func wantsLogin(f engine.Failure) bool {
	var refusal *engine.ProxyError
	return errors.As(f.Err, &refusal) && refusal.Login
}

func timedOut(f engine.Failure) bool { return errors.Is(f.Err, context.DeadlineExceeded) }

func noNameServer(f engine.Failure) bool {
	if resolve.IsMDNS(f.Target.Host) {
		return false // such names are asked of the link
	}
	var dns *net.DNSError
	return f.Family != engine.AnyFamily && timedOut(f) || errors.As(f.Err, &dns) && dns.IsTimeout
}

func isErrno(f engine.Failure, errno unix.Errno) bool { return errors.Is(f.Err, errno) }

func all(failures []engine.Failure, is func(engine.Failure) bool) bool {
	return len(failures) > 0 && !has(failures, func(f engine.Failure) bool { return !is(f) })
}

func has(failures []engine.Failure, is func(engine.Failure) bool) bool {
	for _, f := range failures {
		if is(f) {
			return true
		}
	}
	return false
}
