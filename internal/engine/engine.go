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
	"errors"
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

// A Dialer holds the rules of a race. The zero value is ready to use, and a
// Dialer may run several races at once.
type Dialer struct {
	// Family restricts the addresses. Default: both, IPv6 first.
	Family Family

	// Timeout bounds the whole race. Default: DefaultTimeout.
	Timeout time.Duration

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

// A Winner is the connection a race has given.
type Winner struct {
	// FD is the connected socket: blocking, close-on-exec, SO_KEEPALIVE on
	// with the kernel's own intervals, TCP_NODELAY on, no error pending. The
	// caller owns and closes it. Of a Command it is one end of a socket pair. It is
	// -1 if Dialer.RunAll is set.
	FD int

	Target    Target        // the first of those that led to Addr
	Addr      Addr          // the peer
	Interface string        // what the socket is bound to, if anything
	Transport string        // its Transport's name
	Elapsed   time.Duration // from the beginning of the race to the win
	Tried, Of int           // candidates tried, candidates known, at the win

	// Attempts is how many connections to Addr by Transport were begun, and
	// Attempt is the number of the winner among them, from 1.
	Attempt, Attempts int

	// Lost reports whether a connection begun before the winner, to Addr by
	// Transport, was not answered: a packet was lost, or is late. The others
	// before it were closed by the race, to wait for another's banner.
	Lost bool

	// Before says, in their order, what had become of the attempts at Addr by
	// the Transports before Transport: Err is ErrNoAnswer or ErrNoBanner where
	// one was still under way.
	Before []Failure
}

// An Addr is where a candidate is: an IP address and port, or a Socket.
type Addr struct {
	netip.AddrPort
	Socket resolve.Socket // if not zero, AddrPort is
	Proxy  *Proxy         // if not nil, whose address this is

	Command *Command // if not nil, what is to make the connection; AddrPort is not
}

// isSocket reports whether a is not reached by IP, or not by this process.
func (a Addr) isSocket() bool { return a.Command != nil || a.Socket != resolve.Socket{} }

// IsValid reports whether a is anything at all.
func (a Addr) IsValid() bool { return a.isSocket() || a.AddrPort.IsValid() }

// String returns 192.0.2.1:22, [2001:db8::1]:22, unix:/path, vsock:3:22, or
// socks5://192.0.2.3:1080 for a proxy, or the name of a command.
func (a Addr) String() string {
	switch {
	case a.Command != nil:
		return a.Command.Name
	case a.Proxy != nil:
		return a.Proxy.Kind.String() + "://" + a.AddrPort.String()
	case a.Socket.Mux:
		return fmt.Sprintf("vsock-mux:%s port %d", a.Socket.Path, a.Socket.Port)
	case a.Socket.Path != "":
		return "unix:" + a.Socket.Path
	case a.isSocket():
		return fmt.Sprintf("vsock:%d:%d", a.Socket.CID, a.Socket.Port)
	}
	return a.AddrPort.String()
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
	if err := d.validate(started, targets); err != nil {
		return nil, fmt.Errorf("race: %w", err)
	}
	w, err := d.run(sys, started, targets)
	if err != nil || d.RunAll {
		sys.reap()
	}
	return w, err
}

// ErrHangup ends a race when the other end of a Hangup descriptor is gone.
var ErrHangup = errors.New("the reader of the result is gone")

// ErrNoBanner is why a candidate failed that connected, and said nothing that
// Dialer.Banner asks for.
var ErrNoBanner = errors.New("connected, but no banner came")

// ErrNotAsked is why a candidate failed that connected, and whose server did not
// see it: with Dialer.Banner, one server is waited for at a time.
var ErrNotAsked = errors.New("connected, but it was another server's turn to send a banner")

// ErrNoAnswer is what is known of an attempt that had neither connected nor
// failed when another won: with Delay between them, no more than a lost packet,
// or that its packets are dropped.
var ErrNoAnswer = errors.New("no answer")

// ErrLocal is matched by the error of an attempt that this machine refused, by
// its routes or rules: no packet has left it.
var ErrLocal = errors.New("refused by this machine")

// ErrNotTried is the reason of a candidate whose turn had not come.
var ErrNotTried = errors.New("not tried: the race was over before its turn")

// An EventKind says what happened.
type EventKind int

const (
	Resolve   EventKind = iota // a name is being looked up
	Resolved                   // one family's answer is there: Addrs or Err
	Start                      // a connection attempt starts
	Connected                  // it has connected
	Failed                     // it has failed: Err
	Won                        // it is the winner
	Cancelled                  // it was under way when the race ended: Err says why it did, nil that there is a winner
)

func (k EventKind) String() string {
	return [...]string{"resolve", "resolved", "start", "connected", "failed", "won", "cancelled"}[k]
}

// An Event is one step of a race. Failed without a Transport is of an address
// that was not tried, and without an Addr of a target that has none; Cancelled
// with a Family is of a lookup. Attempts at one address by one transport are told
// of as one: each has a Start, and all together one of Failed, Won and Cancelled.
type Event struct {
	At        time.Duration // since Dial was called, or Age before that
	Kind      EventKind
	Target    Target
	Family    Family       // of a lookup: IPv4 or IPv6
	Addrs     []netip.Addr // Resolved: the answer
	Replaces  bool         // Resolved: it takes the place of those before, which a less preferred name server gave
	Addr      Addr         // the attempt's peer
	Interface string       // the interface it is bound to, if any
	Transport string       // the attempt's transport
	Attempt   int          // Start: which one it is at Addr by Transport, from 1; else how many there were
	Err       error        // Resolved, Failed and Cancelled
}

// A Failure says why one candidate came to nothing.
type Failure struct {
	Target    Target
	Also      []Target      // others that led to Addr
	Addr      Addr          // not valid when it is the name that failed
	Family    Family        // of the name's addresses; AnyFamily for both
	Interface string        // the interface it was bound to, if any
	Transport string        // empty when nothing was tried
	Attempts  int           // connections begun to Addr by Transport
	Err       error         // the cause: an errno, a *net.DNSError, ...
	At        time.Duration // since Dial was called, or Age before that
}

func (f Failure) Error() string {
	switch {
	case f.Family != AnyFamily:
		return fmt.Sprintf("%s: lookup of %s addresses: %v", f.Target.Host, f.Family, f.Err)
	case !f.Addr.IsValid():
		return fmt.Sprintf("%s: %v", f.Target.Host, f.Err)
	case f.Transport == "":
		return fmt.Sprintf("%s: %v", f.Addr, f.Err)
	}
	from := ""
	if f.Interface != "" {
		from = " from " + f.Interface
	}
	return fmt.Sprintf("connect %s %s%s: %v", f.Transport, f.Addr, from, f.Err)
}

func (f Failure) Unwrap() error { return f.Err }

// An Error is a race that nobody won.
type Error struct {
	// Cause is what ended it early: context.DeadlineExceeded when Timeout
	// was over, ErrHangup, or the context's error; nil when every candidate
	// had failed.
	Cause error

	// Elapsed is how long it took.
	Elapsed time.Duration

	// Failures has every candidate, in the order in which they failed; those
	// still under way at the end have Err Cause.
	Failures []Failure
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("race: %v", e.Cause)
	}
	if len(e.Failures) == 1 {
		return "race: " + e.Failures[0].Error()
	}
	return fmt.Sprintf("race: all %d candidates failed", len(e.Failures))
}

func (e *Error) Unwrap() []error {
	var errs []error
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	for _, f := range e.Failures {
		errs = append(errs, f)
	}
	return errs
}
