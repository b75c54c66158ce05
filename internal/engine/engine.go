// Package engine runs the race: it connects to whichever address of several targets answers
// first, and gives its caller that one socket.
//
//	targets ──> lanes ──> candidates ──> attempts ──> winner
//	            one a     its addresses  one socket   one fd, the
//	            target    as they come   and SYN each others reset
//
// Every target is a lane, and lanes run side by side. Inside a lane the
// addresses of one name follow RFC 8305 (Happy Eyeballs): A and AAAA are asked
// together, families alternate, an attempt starts 250 ms after the one before
// or at once when one fails, and every attempt stays open until somebody wins.
// When there is no new address, one that has not answered is tried again.
//
// Beside the targets there may be proxies, which are asked for a target, and commands,
// which make a connection themselves.
//
// A server sees the winner: the ACK that completes a handshake is held back until
// all other attempts are closed, where the system can do that.
//
// One goroutine runs the race, over raw non-blocking sockets and one poll.
// Lookups of names are the only others: a race of literal addresses starts
// none.
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
	// DefaultTimeout is the time a whole race may take, lookups included.
	DefaultTimeout = 10 * time.Second

	// DefaultDelay is the Connection Attempt Delay of RFC 8305 section 5.
	DefaultDelay = 250 * time.Millisecond

	// MinDelay and MaxDelay bound it: RFC 8305 section 8 says not under
	// 10 ms, and recommends at most 2 s.
	MinDelay = 10 * time.Millisecond
	MaxDelay = 2 * time.Second

	// resolutionDelay is how long an A answer waits for the AAAA that was
	// asked with it: the Resolution Delay of RFC 8305 section 3.
	resolutionDelay = 50 * time.Millisecond
)

// A Dialer holds the rules of a race. The zero value is ready to use, and a
// Dialer may run several races at once.
type Dialer struct {
	// Family restricts the addresses. Default: both, IPv6 first.
	Family Family

	// Timeout bounds the whole race. Default: DefaultTimeout.
	Timeout time.Duration

	// Wait, if set, is the time of the whole race, and Timeout that of a round. Within
	// a round a candidate that has failed, and a name that was not found, is tried
	// again twice a second; one whose server has accepted a connection 1, 2, 4 and then
	// 8 s after it has failed, or 15 s if sshd penalizes this client. After a round
	// the next one begins, name resolution included, but Commands only start once.
	// Each try has its own events. It does nothing with RunAll. Default: 0.
	Wait time.Duration

	// Delay is the time between two attempts of a lane, and between an
	// address's attempt by one transport and by the next. Default:
	// DefaultDelay.
	Delay time.Duration

	// HeadStart is how far each target is ahead of the next one listed; a
	// target also starts when all before it have failed. Default 0: they
	// start together.
	HeadStart time.Duration

	// Transports are tried in this order for every address, one Delay
	// apart, or at once when the one before fails. Default: plain TCP.
	Transports []Transport

	// Proxies are tried beside the targets. Each has its own Target, and is asked
	// for it when all targets have failed, or been silent for one Delay. Of several
	// Transports the last connects to them. Default: none.
	Proxies []Proxy

	// Commands start Fallback after the last target's lane, or when all targets and
	// Proxies have failed; of several each Fallback after the one before, or when
	// that has failed. Timeout is not for those: each has two minutes. Default:
	// none.
	Commands []Command

	// Fallback is when Commands start. Default: DefaultFallback.
	Fallback time.Duration

	// NoRetry has the race open one connection for each address and transport, for
	// firewalls that count connections. Default: where a target has no new address
	// to try, the race opens another connection to one that has not answered: one
	// Delay after the last attempt, then two, four and so on, with at most four
	// open at a time. The first that is answered wins. With several Transports, one
	// that is silent for a Delay is also tried again when the next one starts; if
	// the next one connects first, it waits a moment (10 to 50 ms) for the other.
	// Without retries, one that waits for another's Banner for more than 200 ms is
	// seen by its server. Transport.MaxAge counts all the same.
	NoRetry bool

	// Bind is the local address of every socket; it restricts Family to its
	// own. Default: the kernel's choice.
	Bind netip.Addr

	// Interface is the network interface every socket is bound to
	// (SO_BINDTODEVICE; without privilege since Linux 5.7). Default: the
	// kernel's choice.
	Interface string

	// Interfaces are those from which each address is tried as well as by
	// the kernel's own route, one Delay after it, or at once when that has
	// failed. An address with a zone, or of loopback, is not. Default: none.
	Interfaces []resolve.Interface

	// Banner is what a line of the winner's first words must begin with, as
	// "SSH-" (RFC 4253 section 4.2; other lines may go before it). They are
	// only looked at, and stay in the socket. A server that does not speak
	// first cannot win; Timeout bounds the wait. Default: none.
	Banner string

	// HostKey, if set, has the host key of candidates checked before one of them
	// can win. A server sees the connection for the check, and then the one that
	// has won. Default: none is checked.
	HostKey *HostKeyCheck

	// RunAll has the race go on when it is won, until every candidate has
	// ended or the time is out, to see what would have become of each. It
	// keeps no connection: each is reset as soon as it is ready, the winner's
	// too, and no server sees more connections than in a race that ends.
	// Attempts that a server would see are given up when the race is won (ErrSeen).
	// The winner is the same as without. Default: a race ends when it is won.
	RunAll bool

	// Probe leaves the winner's handshake incomplete, where that can be: for a
	// caller that resets the connection (SO_LINGER) within 100 ms, so that no
	// server sees it. Default: the winner is for use.
	Probe bool

	// Hangup lists descriptors whose POLLHUP or POLLERR ends the race with
	// ErrHangup. They stay the caller's.
	Hangup []int

	// Report, if set, is called with every event, from the goroutine that
	// called Dial. The race waits for it.
	Report func(Event)

	// OnProgress, if set, is called when the race has lasted 500 ms, and every
	// 100 ms from then on, from the goroutine that called Dial. It returns
	// whether it wants to be called again.
	OnProgress func(Progress) bool
}

// Started is what was done of a race before Continue. Its times are since the race
// began, Age ago.
type Started struct {
	// Age is how long ago the race began. It counts towards Dialer.Timeout.
	Age time.Duration

	// Sockets maps peer addresses to sockets on which connect(2) was already
	// called: each is the first attempt at its peer. They must be non-blocking and
	// close-on-exec, and made by the first of Dialer.Transports.
	Sockets map[netip.AddrPort]StartedSocket

	// Lookups maps names, as they are in a Target, to lookups that wait for an
	// answer. All have the same Config and Health.
	Lookups map[string]*stub.Exchange
}

// A StartedSocket is one of Started.Sockets.
type StartedSocket struct {
	FD int
	At time.Duration // when connect(2) was called
}

// Dial races targets and returns the first connection to be ready. Every other
// socket of the race is closed when it returns: those still connecting without
// a word, those that have connected by a reset. Lookups still under way are
// cancelled.
//
// When nobody answers the error is an *Error with a Failure for every
// candidate. It matches (errors.Is) context.DeadlineExceeded when the time ran
// out first, ErrHangup, or ctx's error when one of those ended the race, and
// the errno of every failed attempt.
//
// Without targets it is a race of d's Proxies and Commands alone.
func (d *Dialer) Dial(ctx context.Context, targets ...Target) (*Winner, error) {
	return d.Continue(ctx, &Started{}, targets...)
}

// Continue is Dial for a race of which a part is done. It takes ownership of the
// descriptors in started, whatever it returns, and empties its maps.
func (d *Dialer) Continue(ctx context.Context, started *Started, targets ...Target) (*Winner, error) {
	sys, err := newKernel(ctx, d, started)
	if err != nil {
		return nil, fmt.Errorf("race: %w", err)
	}
	defer sys.shut()
	if d.HostKey != nil && d.HostKey.Done != nil {
		defer d.HostKey.Done()
	}
	if err := d.validate(started, targets); err != nil {
		return nil, fmt.Errorf("race: %w", err)
	}
	w, err := d.run(sys, started, targets)
	if err != nil || d.RunAll {
		sys.reap()
	}
	return w, err
}
