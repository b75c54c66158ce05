//go:build unix

package helper

import (
	"context"
	"errors"
	"fmt"
	"net"

	"fdrace/internal/engine"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// Reason returns one line that says why an attempt to connect to addr, or a lookup, ended
// with err. The line is sanitized. It is not cut if it is about name servers: it may have
// three long addresses, but nothing that the servers sent.
func Reason(err error, addr engine.Addr) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.Server != "" {
		return term.Printable(reason(err, addr))
	}
	return term.Sanitize(reason(err, addr))
}

func reason(err error, addr engine.Addr) string {
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
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, engine.ErrUnchecked):
		return engine.ErrUnchecked.Error()
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, engine.ErrBeingChecked):
		return engine.ErrBeingChecked.Error()
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

// meaning explains the errno of a connect, where its usual text does not say enough; else
// it returns "".
func meaning(err error, addr engine.Addr) string {
	local := errors.Is(err, engine.ErrLocal)
	errno, ok := err.(unix.Errno) // and not that of a bind, which means something else
	if local {
		ok = errors.As(err, &errno)
	}
	family := familyOf(addr)
	switch {
	case addr.AddrPort.IsValid() && errors.Is(err, unix.EAFNOSUPPORT): // of socket(2)
		return family + " is off on this machine"
	case !ok || !addr.AddrPort.IsValid():
		return ""
	case local && errno == unix.ENETUNREACH:
		return "no " + family + " route"
	case local && errno == unix.EADDRNOTAVAIL:
		return "this machine has no " + family + " address to connect from"
	case local && errno == unix.EPERM:
		return "blocked by this machine's firewall"
	case local && errno == unix.EACCES:
		return "a route or a security policy of this machine forbids it"
	case local && errno == unix.EINVAL:
		return "a blackhole route drops it, or there is no route by the interface or address it is bound to"
	case !local && errno == unix.EACCES: // ICMPv6 code 1, RFC 4443 section 3.1
		return "a firewall on the way rejects it"
	}
	return ""
}

func familyOf(addr engine.Addr) string {
	if addr.Addr().Is4() {
		return engine.IPv4.String()
	}
	return engine.IPv6.String()
}
