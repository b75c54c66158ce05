package engine

import (
	"net/netip"
	"time"
)

// A Family says which addresses a race may use.
type Family int

const (
	AnyFamily Family = iota // IPv6 and IPv4, IPv6 first
	IPv4
	IPv6
)

func (f Family) String() string {
	return [...]string{"IPv6 or IPv4", "IPv4", "IPv6"}[f]
}

// family is Family, or Bind's.
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
	// Name is how events and errors call it; default "tcp".
	Name string

	// Socket makes a stream socket of domain (unix.AF_INET or
	// unix.AF_INET6) that is non-blocking and close-on-exec. The race owns
	// and closes it. An error says that this machine cannot use the
	// transport at all, whatever the address. Default: plain TCP.
	Socket func(domain int) (fd int, err error)

	// Check is asked about a socket that has connected, before it may win,
	// and again when its banner is there, if there is to be one; an error
	// makes it a failed attempt. It must not close fd. Default: no question
	// asked.
	Check func(fd int) error

	// MaxAge returns how long a connection may wait for an answer, or 0 for no
	// limit. It is then closed, and another begun. It is called once, when a
	// connection has waited for one Delay, or for DefaultDelay if that is less.
	// Default: no limit.
	MaxAge func() time.Duration

	// EagerACK says that the kernel completes each handshake by itself, as it
	// does with MPTCP: a server sees every connection, also one that is closed at
	// once because another has won. Such attempts start 10 ms apart where they
	// would start together. Default: the race sends the winner's ACK alone, where
	// the system can hold it back (Linux).
	EagerACK bool
}

func (t *Transport) name() string {
	if t.Name == "" {
		return "tcp"
	}
	return t.Name
}
