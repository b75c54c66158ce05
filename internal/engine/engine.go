// Package engine races connections: it connects to whichever address of several targets
// answers first, and returns that one socket.
//
//	targets ──> lanes ──────> candidates ─────> attempts ───> winner
//	            one for each  addresses of the  sockets that  one socket,
//	            target        lane, in order    are           the others
//	                                            connecting    are reset
//
// Each target is a lane, and lanes run side by side. Within a lane the addresses of one
// name follow RFC 8305 (Happy Eyeballs): A and AAAA are looked up together, families
// alternate, an attempt starts 250 ms after the one before it or at once when one fails,
// and all attempts stay open until one wins. When a lane has no new address, an address
// that has not answered is tried again.
//
// Besides the targets there may be proxies, which are asked for a target, and commands,
// which are programs that connect by themselves.
//
// A server sees only the winner, where the system can do that: the ACK that completes a
// handshake is held back until all other attempts are closed.
//
// One goroutine runs the race, with raw non-blocking sockets and one poll(2). Some kinds
// of lookup have goroutines of their own; a race of IP addresses, or on Linux of names
// that DNS or /etc/hosts has, starts none.
package engine

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fdrace/internal/resolve"
	"fdrace/internal/stub"
)

const (
	// DefaultTimeout bounds a whole race, lookups included.
	DefaultTimeout = 10 * time.Second

	// DefaultDelay is the Connection Attempt Delay of RFC 8305 section 5.
	DefaultDelay = 250 * time.Millisecond

	// MinDelay and MaxDelay bound Dialer.Delay: RFC 8305 section 8 requires at
	// least 10 ms and recommends at most 2 s.
	MinDelay = 10 * time.Millisecond
	MaxDelay = 2 * time.Second
)

// A Dialer holds the rules of a race. The zero value is ready to use, and a Dialer may
// run several races at once. Dial returns an error for a field that is not valid.
type Dialer struct {
	// Family restricts the addresses. Default: both, IPv6 first.
	Family Family

	// Timeout bounds the whole race. Default: DefaultTimeout.
	Timeout time.Duration

	// Wait, if set, bounds the race instead of Timeout, which then bounds a round, of
	// at least 1 s. A candidate that has failed, and a name that has no address, is
	// tried again 500 ms after it was tried last. If the server had accepted the
	// connection, it is tried again after 1, 2, 4 and then 8 s, or after 15 s if sshd
	// refuses this client; a server that has accepted and is silent fails at the end of
	// a round. After a round everything starts over, name resolution included, except
	// Commands. A candidate can have several Start and Failed events, but has one
	// Failure. RunAll ignores Wait. Default: 0, one round.
	Wait time.Duration

	// Delay is the time between two attempts of a lane, and between the attempts
	// at an address by one transport and by the next: MinDelay to MaxDelay.
	// Default: DefaultDelay.
	Delay time.Duration

	// HeadStart is how much later each target starts than the one before it. It
	// starts at once when all targets before it have failed. Default: all start at
	// the same time.
	HeadStart time.Duration

	// Transports are tried in this order for each address, one Delay apart, or at
	// once when the one before has failed; at most four. Default: plain TCP.
	Transports []Transport

	// Proxies are connected to at once, by the last of Transports. Each is asked
	// for its own Target when all targets have failed, or have been silent for one
	// Delay. Default: none.
	Proxies []Proxy

	// Commands start Fallback after the last target, or when all targets and
	// Proxies have failed; each Fallback after the one before, or when that has
	// failed. Each may take two minutes, whatever the Timeout. Default: none.
	Commands []Command

	// Fallback is the delay of Commands. Default: DefaultFallback.
	Fallback time.Duration

	// NoRetry limits the race to one connection for each address and transport, for
	// firewalls that count connections. Transport.MaxAge still applies; and a server
	// sees a connection that waits for more than 200 ms for the Banner of another.
	//
	// Default: when a target has no new address to try, the race opens another
	// connection to one that has not answered: one Delay after the last attempt,
	// then two, four and so on, with at most four open at a time. The first answer
	// wins. With several Transports, an attempt that is silent for one Delay is
	// repeated when the next transport starts (with Banner, when that has
	// connected); if the next transport connects first, it waits 10 to 50 ms for
	// the other.
	NoRetry bool

	// Bind is the local address of every socket. It restricts Family to its own.
	// Default: the kernel's choice.
	Bind netip.Addr

	// Interface is the network interface that every socket is bound to
	// (SO_BINDTODEVICE, Linux; unprivileged since 5.7). Default: the kernel's
	// choice.
	Interface string

	// Interfaces are those from which each address is tried in addition, one Delay
	// after the kernel's own route, or at once when that has failed; but not an
	// address of loopback or with a zone. It has no effect if Interface is set.
	// Default: none.
	Interfaces []resolve.Interface

	// Banner is what a line that the winner sends must start with, such as "SSH-"
	// (RFC 4253 section 4.2; other lines may come before it). The race peeks at it:
	// it stays in the socket. A server that waits for the client to send first
	// cannot win. One server is asked at a time: the next has its turn when the one
	// before has been silent for one Delay and the time of its handshake. On Linux, a
	// server that has answered other connections of this machine meanwhile has up to
	// ten Delays. Default: a connection is enough.
	Banner string

	// HostKey, if set, decides whether the server of a candidate is the expected
	// machine; otherwise the candidate fails. A server that is checked sees the
	// connection for the check and the one that wins. Default: no check.
	HostKey *HostKeyCheck

	// RunAll continues the race after it is won, until every candidate has ended or
	// the time is out, to show what becomes of each. It keeps no connection: each is
	// reset as soon as it is ready, the winner too, and servers see no more
	// connections than without RunAll. After the win, attempts that a server would
	// see are given up (ErrSeen). The winner is the same as without RunAll. Default:
	// the race ends when it is won.
	RunAll bool

	// Probe leaves the winner's handshake incomplete where the system can do that,
	// for a caller that resets the connection (SO_LINGER) within 100 ms: no server
	// sees it then. Default: the winner is ready for use.
	Probe bool

	// Hangup lists descriptors whose POLLHUP or POLLERR ends the race with
	// ErrHangup. The caller owns them.
	Hangup []int

	// Report, if set, is called with every event by the goroutine that called Dial.
	// The race waits for it.
	Report func(Event)

	// OnProgress, if set, is called 500 ms after the race began and every 100 ms from
	// then on, by the goroutine that called Dial, until it returns false.
	OnProgress func(Progress) bool
}

// Started describes the part of a race that was run before Continue. All its times are
// since the race began.
type Started struct {
	// Age is how long ago the race began. It counts towards Dialer.Timeout.
	Age time.Duration

	// Sockets maps peer addresses to sockets on which connect(2) was already
	// called: each is the first attempt at its peer. They must be non-blocking and
	// close-on-exec, and made by the first of Dialer.Transports.
	Sockets map[netip.AddrPort]StartedSocket

	// Lookups maps names, as in Target.Host, to lookups that wait for an answer. All
	// have the same Config and Health.
	Lookups map[string]*stub.Exchange
}

// A StartedSocket is one of Started.Sockets.
type StartedSocket struct {
	FD int
	At time.Duration // when connect(2) was called
}

// Dial races targets and returns the first connection that is ready. When it returns, all
// other sockets are closed: those that have connected by a reset, the others without a
// packet. Pending lookups are cancelled.
//
// If no attempt succeeds, the error is an *Error with a Failure for each candidate. It
// matches (errors.Is) context.DeadlineExceeded if Timeout ended the race, ErrHangup or
// the error of ctx if that did, and the errno of every failed attempt. For a field or a
// target that is not valid the error is of another type, and names it.
//
// Without targets, only Proxies and Commands race.
func (d *Dialer) Dial(ctx context.Context, targets ...Target) (*Winner, error) {
	return d.Continue(ctx, &Started{}, targets...)
}

// Continue is Dial for a race that has started already. It takes ownership of the
// descriptors in started, even if it returns an error, and empties its maps.
func (d *Dialer) Continue(ctx context.Context, started *Started, targets ...Target) (*Winner, error) {
	sys, err := newKernel(ctx, d, started)
	if err != nil {
		return nil, fmt.Errorf("race: %w", err)
	}
	defer sys.shut()
	var w *Winner
	if d.HostKey != nil && d.HostKey.Done != nil {
		defer func() { d.HostKey.Done(w) }()
	}
	if err := d.validate(started, targets); err != nil {
		return nil, fmt.Errorf("race: %w", err)
	}
	w, err = d.run(sys, started, targets)
	if err != nil || d.RunAll {
		sys.reap()
	}
	return w, err
}
