// Package race connects to whichever address of several targets answers first: the
// addresses of one host name, by IPv6 and IPv4 (Happy Eyeballs, RFC 8305), or several
// names and addresses of one host.
//
// All targets are raced at the same time. The addresses of one target are tried in the
// order of RFC 6724, families alternating; the next attempt starts 250 ms after the one
// before, or at once when that has failed, and all attempts stay open until one has
// connected. A silent address is tried again after 250 ms, then after 500 ms and so on,
// so that a lost packet costs less than the second after which the kernel repeats it.
//
// On Linux a server sees only the connection that wins, unless this machine is too busy to
// close the others within 200 ms: the ACK that completes a handshake is held back until
// then.
//
// The package is implemented for Linux, macOS, FreeBSD and OpenBSD. Elsewhere Dial
// returns errors.ErrUnsupported.
package race

import (
	"context"
	"net/netip"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
)

const (
	// DefaultTimeout bounds a race, the lookup of names included.
	DefaultTimeout = engine.DefaultTimeout

	// DefaultDelay is the Connection Attempt Delay of RFC 8305 section 5.
	DefaultDelay = engine.DefaultDelay

	// MinDelay and MaxDelay bound Dialer.Delay (RFC 8305 section 8).
	MinDelay = engine.MinDelay
	MaxDelay = engine.MaxDelay
)

// A Family restricts the addresses of a race.
type Family int

const (
	AnyFamily Family = iota // IPv6 and IPv4
	IPv4
	IPv6
)

// String returns "IPv6 or IPv4", "IPv4" or "IPv6".
func (f Family) String() string { return engine.Family(f).String() }

// A Target is a host to connect to, or one of several names and addresses of a host.
type Target struct {
	// Host is a host name, an IP address or one of the other kinds of target that
	// ParseTarget reads.
	Host string
	Port uint16
}

// String returns host:port, with brackets around an IPv6 address.
func (t Target) String() string { return engine.Target(t).String() }

// ParseTarget reads a target: "box", "box:22", "192.0.2.1", "[2001:db8::1]:22",
// "fe80::1%eth0", "fe80::1" (tried on every link), "00:00:5e:00:53:01" (a MAC address),
// "box.local" (mDNS), "_ssh._tcp.example.org" (SRV), "unix:/path", "vsock:3" (a virtual
// machine), "vsock-mux:/path", "machine/NAME" or ".host". port is for a target that has
// no port of its own. The error names the word and what to write instead.
//
// Do not give it text from a source that may not choose a socket on this machine: set
// Target.Host only to what is known to be a host name or an IP address.
func ParseTarget(word string, port uint16) (Target, error) {
	t, err := engine.ParseTarget(word, port)
	return Target(t), err
}

// A Transport makes the sockets of a race. The zero value is plain TCP. Multipath TCP
// with plain TCP to fall back to is
//
//	[]race.Transport{{Name: "mptcp", Socket: mptcp.Socket, MaxAge: mptcp.ConnectLimit, EagerACK: true}, {}}
type Transport struct {
	// Name is what events and errors call it. Default: "tcp".
	Name string

	// Socket makes a stream socket of domain (AF_INET or AF_INET6) that is
	// non-blocking and close-on-exec. The race owns and closes it. An error means
	// that this machine cannot use the transport, whatever the address.
	// Default: plain TCP.
	Socket func(domain int) (fd int, err error)

	// Check is called with a socket that has connected, before it may win. An
	// error makes it a failed attempt. It must not close fd. Default: no check.
	Check func(fd int) error

	// MaxAge returns how long an attempt may wait for an answer before it is closed
	// and another one started; 0 means no limit. It is called once in each race,
	// when an attempt has waited for Delay, or for DefaultDelay if that is less.
	// Default: no limit.
	MaxAge func() time.Duration

	// EagerACK says that the kernel completes each handshake by itself, as with
	// MPTCP, so that a server may see connections that lose. To make this rare, such
	// attempts start 10 ms apart where they would start together. Default: false.
	EagerACK bool
}

// An Interface is a network interface that each address is tried from; see
// Dialer.Interfaces.
type Interface struct {
	Name       string
	IPv4, IPv6 bool // the families of addresses to try from it; at least one
}

// Interfaces returns the interfaces of this machine that are up, are not loopback, and
// have an address that is valid beyond their link.
func Interfaces() ([]Interface, error) {
	all, err := resolve.Interfaces()
	if err != nil {
		return nil, err
	}
	list := make([]Interface, len(all))
	for i, in := range all {
		list[i] = Interface(in)
	}
	return list, nil
}

// A Dialer holds the rules of a race. The zero value is ready to use. A Dialer may run
// several races at once, if it is not changed meanwhile.
type Dialer struct {
	// Family restricts the addresses. Default: both families.
	Family Family

	// Timeout bounds the race, the lookup of names included. Default:
	// DefaultTimeout.
	Timeout time.Duration

	// Delay is the time between two attempts at one target, and between an
	// attempt by one transport and by the next: MinDelay to MaxDelay. Default:
	// DefaultDelay.
	Delay time.Duration

	// HeadStart is how much later each target starts than the one before it. It
	// starts at once when all targets before it have failed. Default: all start at
	// the same time.
	HeadStart time.Duration

	// Transports are tried in this order for each address, one Delay apart, or at
	// once when the one before has failed; at most four. Default: plain TCP.
	Transports []Transport

	// NoRetry has the race open one connection for each address and transport,
	// for firewalls that count connections. Default: a silent address is tried
	// again.
	NoRetry bool

	// Bind is the local address of every socket, without a port. It restricts
	// Family to its own. Default: the kernel's choice.
	Bind netip.Addr

	// Interface is the name of the network interface that every socket is bound to
	// (SO_BINDTODEVICE, Linux; unprivileged since 5.7). Default: the kernel's
	// choice.
	Interface string

	// Interfaces are those from which each address is tried in addition, one Delay
	// after the kernel's own route, or at once when that has failed (Linux). It has
	// no effect if Interface is set. Default: none.
	Interfaces []Interface

	// OnEvent, if set, is called with every event by the goroutine that called
	// Dial. The race waits until it returns.
	OnEvent func(Event)
}

// Dial races targets and returns the first connection, which the caller has to take
// from the Winner, or close. When Dial returns, all other sockets are closed, and
// lookups are cancelled.
//
// If no attempt succeeds, the error is an *Error that has a Failure for each of them.
// It matches (errors.Is) context.DeadlineExceeded if Timeout ended the race, the error of
// ctx if that did, and the errno of every failed attempt. A field or target that is not
// valid is an error of another type, which names it.
func (d *Dialer) Dial(ctx context.Context, targets ...Target) (*Winner, error) {
	list := make([]engine.Target, len(targets))
	for i, t := range targets {
		list[i] = engine.Target(t)
	}
	w, err := d.engine().Dial(ctx, list...)
	if err != nil {
		return nil, newError(err)
	}
	return newWinner(w), nil
}

// engine returns d as an engine.Dialer.
func (d *Dialer) engine() *engine.Dialer {
	e := &engine.Dialer{
		Family:    engine.Family(d.Family),
		Timeout:   d.Timeout,
		Delay:     d.Delay,
		HeadStart: d.HeadStart,
		NoRetry:   d.NoRetry,
		Bind:      d.Bind,
		Interface: d.Interface,
	}
	for _, t := range d.Transports {
		e.Transports = append(e.Transports, engine.Transport(t))
	}
	for _, i := range d.Interfaces {
		e.Interfaces = append(e.Interfaces, resolve.Interface(i))
	}
	if d.OnEvent != nil {
		e.Report = func(ev engine.Event) { d.OnEvent(newEvent(ev)) }
	}
	return e
}
