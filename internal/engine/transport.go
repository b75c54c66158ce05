package engine

import (
	"net/netip"
	"time"
)

// A Family restricts the addresses of a race.
type Family int

const (
	AnyFamily Family = iota // IPv6 and IPv4, IPv6 first
	IPv4
	IPv6
)

// String returns "IPv6 or IPv4", "IPv4" or "IPv6".
func (f Family) String() string {
	return [...]string{"IPv6 or IPv4", "IPv4", "IPv6"}[f]
}

// family returns Family, or that of Bind.
func (d *Dialer) family() Family {
	if d.Bind.IsValid() {
		return familyOf(d.Bind)
	}
	return d.Family
}

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// A Transport makes the sockets of a race. The zero value is plain TCP.
type Transport struct {
	// Name is what events and errors call it. Default: "tcp".
	Name string

	// Socket makes a stream socket of domain (unix.AF_INET or
	// unix.AF_INET6) that is non-blocking and close-on-exec. The race owns
	// and closes it. An error means that this machine cannot use the
	// transport, whatever the address. Default: plain TCP.
	Socket func(domain int) (fd int, err error)

	// Check is called with a socket that has connected, before it may win, and
	// again when its banner has come, if Dialer.Banner is set. An error makes it a
	// failed attempt. It must not close fd. Default: no check.
	Check func(fd int) error

	// MaxAge returns how long an attempt may wait for an answer before it is closed
	// and another one started; 0 means no limit. It is called once, when an attempt
	// has waited for Delay, or for DefaultDelay if that is less. Default: no limit.
	MaxAge func() time.Duration

	// EagerACK says that the kernel completes each handshake by itself, as with
	// MPTCP: a server sees every connection, even one that is closed at once because
	// another has won. Such attempts start 10 ms apart where they would start
	// together. Default: false; the race sends the winner's ACK only, where the
	// system can hold it back (Linux).
	EagerACK bool
}

func (t *Transport) name() string {
	if t.Name == "" {
		return "tcp"
	}
	return t.Name
}
