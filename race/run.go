package race

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A system is all that a race meets of the kernel, the resolver and the clock.
// Time passes in Wait alone.
type system interface {
	// Now is the time since the race began.
	Now() time.Duration

	// Lookup asks for the addresses that host has in one family. The answer,
	// with the lane, comes out of Wait.
	Lookup(lane int, host string, family Family)

	// Connect begins a connection, from the interface via if that is not
	// empty. done says that it is complete; if it is
	// not, its end comes out of Wait. An error leaves no fd behind; errSocket
	// wraps it where not the address but the socket was refused.
	Connect(t *Transport, to netip.AddrPort, via string) (fd int, done bool, err error)

	// Wait returns when there is news, and at until in any case. An error
	// ends the race: ErrHangup, or the context's.
	Wait(until time.Duration) (news, error)

	// Release takes a connected fd out of the system's hands and makes it
	// what Winner.FD promises. After an error it is still the system's. After
	// errNotYet it may be good later: Wait says when to ask again.
	Release(t *Transport, fd int) error

	// Close ends a connection, or the attempt at one, so that the peer hears
	// of it no more than a reset.
	Close(fd int)
}

// news is what came out of one Wait, the answers to be handled first, the
// connections in the order in which they were begun.
type news struct {
	answers []answer
	ended   []ended
}

// A question is what one Lookup asks, its answer what came of it.
type question struct {
	lane   int
	family Family
}

type answer struct {
	question
	addrs []netip.Addr
	err   error
}

// ended is a connection that has succeeded, or failed with err.
type ended struct {
	fd  int
	err error
}

// errSocket is wrapped around the error of Transport.Socket.
type errSocket struct{ error }

func (e errSocket) Unwrap() error { return e.error }

// errNotYet is Release's answer to a connection whose banner is not there yet.
var errNotYet = errors.New("no banner yet")

// running is one race under way.
type running struct {
	*Dialer
	sys        system
	schedule   *schedule
	transports []Transport
	family     Family
	timeout    time.Duration

	attempts []*attempt        // all of them, in order; fd is -1 when over
	byFD     map[int]*attempt  // those under way
	waits    *attempt          // has its turn, but there was no descriptor left ...
	full     error             // ... says this
	lookups  map[question]bool // those under way
	failures []Failure
	unusable map[netip.AddrPort]bool // noted, and not to be noted again
}

func (d *Dialer) run(sys system, targets []Target) (*Winner, error) {
	r := &running{
		Dialer:     d,
		sys:        sys,
		transports: d.Transports,
		family:     d.Family,
		timeout:    d.Timeout,
		byFD:       map[int]*attempt{},
		lookups:    map[question]bool{},
	}
	if r.timeout == 0 {
		r.timeout = DefaultTimeout
	}
	if len(r.transports) == 0 {
		r.transports = make([]Transport, 1)
	}
	if d.Bind.IsValid() {
		r.family = familyOf(d.Bind)
	}
	delay := d.Delay
	if delay == 0 {
		delay = DefaultDelay
	}
	r.schedule = newSchedule(delay, d.HeadStart, len(r.transports), targets)
	r.schedule.interfaces = r.otherWays
	r.resolve()
	won, cause := r.loop()
	elapsed := sys.Now()
	r.clear(cause)
	if won == nil {
		return nil, &Error{Cause: cause, Elapsed: elapsed, Failures: r.failures}
	}
	return r.winner(won, elapsed), nil
}

// resolve makes candidates of the literal targets, and asks for the others.
func (r *running) resolve() {
	for i, l := range r.schedule.lanes {
		if a, ok := l.target.literal(); ok {
			l.add(r.usable(l, []netip.Addr{a})...)
			continue
		}
		for _, f := range []Family{IPv6, IPv4} {
			if r.family == AnyFamily || r.family == f {
				r.lookup(i, l, f)
			}
		}
	}
}

func (r *running) lookup(i int, l *lane, f Family) {
	l.asked(f)
	r.lookups[question{i, f}] = true
	r.report(Event{Kind: Resolve, Target: l.target, Family: f})
	r.sys.Lookup(i, l.target.Host, f)
}

// via is the interface that a is bound to.
func (r *running) via(a *attempt) string {
	if a.via != "" {
		return a.via
	}
	return r.Interface
}

// otherWays returns the interfaces from which a is tried as well.
func (r *running) otherWays(a netip.Addr) (names []string) {
	if a.Zone() != "" || a.IsLoopback() || r.Interface != "" {
		return nil
	}
	for _, i := range r.Interfaces {
		if a.Is4() && i.IPv4 || a.Is6() && i.IPv6 {
			names = append(names, i.Name)
		}
	}
	return names
}

// usable gives each address that this race can use its port, and notes why the
// others cannot be.
func (r *running) usable(l *lane, addrs []netip.Addr) []netip.AddrPort {
	var use []netip.AddrPort
	for _, a := range addrs {
		if a.IsLinkLocalUnicast() && a.Is6() && a.Zone() == "" && r.Interface != "" {
			a = a.WithZone(r.Interface)
		}
		ap := netip.AddrPortFrom(a, l.target.Port)
		switch {
		case r.family != AnyFamily && r.family != familyOf(a):
			r.refuse(l, ap, fmt.Errorf("not an %s address", r.family))
		case a.IsLinkLocalUnicast() && a.Is6() && a.Zone() == "":
			r.refuse(l, ap, errors.New("a link-local address needs its interface, as in fe80::1%eth0"))
		default:
			use = append(use, ap)
		}
	}
	return use
}

func (r *running) refuse(l *lane, addr netip.AddrPort, why error) {
	if r.unusable[addr] {
		return
	}
	if r.unusable == nil {
		r.unusable = map[netip.AddrPort]bool{}
	}
	r.unusable[addr] = true
	r.note(Failure{Target: l.target, Addr: addr, Err: why})
}

// loop runs until an attempt has won, or none can win any more, or cause ends
// it early. News goes before the clock: what is ready at the deadline has won.
func (r *running) loop() (won *attempt, cause error) {
	for {
		now := r.sys.Now()
		if now >= r.timeout {
			return nil, context.DeadlineExceeded
		}
		if won := r.start(now); won != nil {
			return won, nil
		}
		if r.schedule.over() {
			return nil, nil
		}
		until := r.timeout
		if r.waits == nil {
			until = min(until, r.schedule.due())
		}
		news, err := r.sys.Wait(until)
		if err != nil {
			return nil, err
		}
		for _, a := range news.answers {
			r.answered(a)
		}
		for _, e := range news.ended {
			if won := r.ended(r.byFD[e.fd], e.err); won != nil {
				return won, nil
			}
		}
	}
}

// start begins every attempt that is due.
func (r *running) start(now time.Duration) (won *attempt) {
	if a := r.waits; a != nil {
		r.waits = nil
		if won := r.connect(a); won != nil || r.waits != nil {
			return won
		}
	}
	for a := range r.schedule.starts(now) {
		r.attempts = append(r.attempts, a)
		if won := r.connect(a); won != nil || r.waits != nil {
			return won
		}
	}
	return nil
}

func (r *running) connect(a *attempt) (won *attempt) {
	fd, done, err := r.sys.Connect(&r.transports[a.transport], a.addr, r.via(a))
	if err != nil {
		// Out of descriptors: a waits for one that this race will give back.
		full := errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
		if full && len(r.byFD)+len(r.lookups) > 0 {
			r.waits, r.full = a, err
			return nil
		}
	}
	r.reportAttempt(Start, a, nil)
	if err != nil {
		r.failed(a, err)
		return nil
	}
	a.fd = fd
	r.byFD[fd] = a
	if done {
		return r.ended(a, nil)
	}
	return nil
}

// ended takes the end of a's connecting, and returns a if it has won.
func (r *running) ended(a *attempt, err error) (won *attempt) {
	if err == nil {
		if !a.connected {
			a.connected = true
			r.reportAttempt(Connected, a, nil)
		}
		switch err = r.sys.Release(&r.transports[a.transport], a.fd); err {
		case nil:
			delete(r.byFD, a.fd)
			r.reportAttempt(Won, a, nil)
			return a
		case errNotYet:
			return nil
		}
	}
	r.drop(a)
	r.failed(a, err)
	return nil
}

// drop closes a's socket.
func (r *running) drop(a *attempt) {
	r.sys.Close(a.fd)
	delete(r.byFD, a.fd)
	a.fd = -1
}

func (r *running) failed(a *attempt, err error) {
	var socket errSocket
	r.schedule.failed(a, r.sys.Now(), errors.As(err, &socket))
	r.reportAttempt(Failed, a, err)
	r.noteAttempt(a, err)
}

// answered takes one family's answer to one lane's name. Only when no family
// has given an address is it the name that has failed.
func (r *running) answered(a answer) {
	now := r.sys.Now()
	l := r.schedule.lanes[a.lane]
	delete(r.lookups, a.question)
	r.report(Event{Kind: Resolved, Target: l.target, Family: a.family, Addrs: a.addrs, Err: a.err})
	r.schedule.answered(l, a.family, r.usable(l, a.addrs), now)
	if a.err != nil && notFound(l.err) {
		l.err = a.err
	}
	if l.waits == 0 && l.err != nil && !(l.answers && notFound(l.err)) {
		r.note(Failure{Target: l.target, Err: l.err})
	}
}

// notFound reports whether err says no more than that there is no address.
func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}

// clear closes what is still under way. After a race without a winner it notes
// what became of everything that had not failed yet.
func (r *running) clear(cause error) {
	for _, a := range r.attempts {
		if r.byFD[a.fd] != a {
			continue
		}
		r.drop(a)
		r.reportAttempt(Cancelled, a, cause)
		switch {
		case cause != nil && a.connected:
			r.noteAttempt(a, fmt.Errorf("%w: %w", ErrNoBanner, cause))
		case cause != nil:
			r.noteAttempt(a, cause)
		}
	}
	if cause == nil {
		return
	}
	why := errNotTried
	if r.waits != nil {
		why = fmt.Errorf("not tried: %w", r.full)
		r.noteAttempt(r.waits, why)
	}
	for l, addr := range r.schedule.left() {
		r.note(Failure{Target: l.target, Addr: addr, Err: why})
	}
	for i, l := range r.schedule.lanes {
		for _, f := range []Family{IPv6, IPv4} {
			if r.lookups[question{i, f}] {
				r.note(Failure{Target: l.target, Family: f, Err: cause})
			}
		}
	}
}

func (r *running) winner(a *attempt, elapsed time.Duration) *Winner {
	w := &Winner{
		FD:        a.fd,
		Target:    a.lanes[0].target,
		Addr:      a.addr,
		Interface: r.via(a),
		Transport: r.transports[a.transport].name(),
		Elapsed:   elapsed,
		Tried:     len(r.schedule.known),
	}
	w.Of = w.Tried
	for range r.schedule.left() {
		w.Of++
	}
	return w
}

func (r *running) report(e Event) {
	if r.Report != nil {
		e.At = r.sys.Now()
		r.Report(e)
	}
}

func (r *running) reportAttempt(k EventKind, a *attempt, err error) {
	r.report(Event{Kind: k, Target: a.lanes[0].target, Addr: a.addr, Interface: r.via(a), Transport: r.transports[a.transport].name(), Err: err})
}

func (r *running) note(f Failure) {
	f.At = r.sys.Now()
	r.failures = append(r.failures, f)
}

func (r *running) noteAttempt(a *attempt, err error) {
	r.note(Failure{Target: a.lanes[0].target, Addr: a.addr, Interface: r.via(a), Transport: r.transports[a.transport].name(), Err: err})
}
