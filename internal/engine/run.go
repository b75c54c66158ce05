package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// A system is all that a race meets of the kernel, the resolver and the clock.
// Time passes in Wait alone.
type system interface {
	// Now is the time since the race began.
	Now() time.Duration

	// Lookup asks a question. Its answers come out of Wait.
	Lookup(q question)

	// Abandon ends a lookup without an answer. The error, if any, says what is
	// known of it.
	Abandon(q question) error

	// Refresh forgets what is known of the network, for a race that waits: it may
	// be another one by now.
	Refresh()

	// Route reports whether there is a way to the internet of a family.
	Route(f Family) bool

	// Sort puts the addresses of one name into the order of RFC 6724.
	Sort(addrs []netip.Addr)

	// InterfaceName returns the name of the interface that zone names: by its
	// name, an alternative name or its index. Where there is none it returns zone.
	InterfaceName(zone string) string

	// Connect begins a connection, from the interface via if that is not
	// empty. done says that it is complete; if it is
	// not, its end comes out of Wait. An error leaves no fd behind; errSocket
	// wraps it where not the address but the socket was refused.
	Connect(t *Transport, to Addr, via string) (fd int, done bool, err error)

	// Wait returns when there is news, and at until in any case. An error
	// ends the race: ErrHangup, or the context's.
	Wait(until time.Duration) (news, error)

	// Verify returns what is wrong with fd, which has connected. It leaves the
	// handshake incomplete where that can be.
	Verify(t *Transport, fd int) error

	// Hold has Wait tell of fd, which has connected, only when it fails.
	Hold(fd int)

	// Look completes fd's handshake and looks for the banner. After errNotYet
	// it may come later: Wait says when to look again. After errHalf a part has
	// come, and Wait tells only of the end of the connection.
	Look(t *Transport, fd int) error

	// Converse sends and reads what there is of h, on fd. It returns errNotYet
	// until h is done: Wait says when to go on.
	Converse(fd int, h *handshake) error

	// Heard looks for a banner on fd, of a command. It returns errNotYet or errHalf
	// if it may still come: after errHalf Wait tells only of the command's end.
	Heard(fd int) error

	// StartCheck has start start a program that checks the server of fd, which has
	// connected. It completes fd's handshake and closes fd. Wait tells when there is
	// something to be read from check, the program's stderr; Close ends the program.
	// After an error fd is still there.
	StartCheck(fd int, start func(conn, stderr int) (pid int, err error)) (check int, err error)

	// ReadCheck returns all that the program has written, and whether it has ended.
	ReadCheck(check int) (said string, ended bool)

	// Release completes fd's handshake, takes it out of the system's hands and
	// makes it what Winner.FD promises.
	Release(fd int)

	// Close ends a connection of t, or the attempt at one, so that the peer hears
	// of it no more than a reset.
	Close(t *Transport, fd int)
}

// news is what came out of one Wait, the answers to be handled first, the
// connections in the order in which they were begun.
type news struct {
	answers []answer
	ended   []ended
}

// ended is a connection that has succeeded, or failed with err.
type ended struct {
	fd  int
	err error
}

// errSocket is wrapped around the error of Transport.Socket.
type errSocket struct{ error }

func (e errSocket) Unwrap() error { return e.error }

// errNotYet is the answer of Look and Converse to a connection on which what they
// wait for is not there yet.
var errNotYet = errors.New("nothing yet")

// running is one race under way.
type running struct {
	*Dialer
	started    *Started
	sys        system
	schedule   *schedule
	transports []Transport
	family     Family
	timeout    time.Duration

	attempts   []*attempt       // all of them, in order
	byFD       map[int]*attempt // by their connections under way
	gate       gate
	proxies    proxies
	commands   []*attempt      // those that have started
	peeks      []*attempt      // those of which a part of the banner has come
	ageing     bool            // some transport has a MaxAge ...
	ages       []time.Duration // ... which are these; 0: not asked for yet
	blockedErr error           // why schedule.blocked could not start
	lookups    lookups
	nat64      nat64
	failures   []failure
	unusable   map[Addr]bool // noted, and not to be noted again
	won        *Winner
	targets    []Target
	wait       waiting
}

func (d *Dialer) run(sys system, started *Started, targets []Target) (*Winner, error) {
	r := &running{
		Dialer:     d,
		started:    started,
		sys:        sys,
		transports: d.Transports,
		family:     d.family(),
		timeout:    d.Timeout,
		byFD:       map[int]*attempt{},
		lookups:    lookups{sys: sys},
		targets:    targets,
	}
	if r.timeout == 0 {
		r.timeout = DefaultTimeout
	}
	r.startWaiting()
	if len(r.transports) == 0 {
		r.transports = make([]Transport, 1)
	}
	delay := d.Delay
	if delay == 0 {
		delay = DefaultDelay
	}
	r.schedule = newSchedule(delay, len(r.transports))
	r.schedule.interfaces = r.otherWays
	r.schedule.noRetry = r.NoRetry
	r.schedule.banner = r.Banner != ""
	r.schedule.startedSockets = started.Sockets
	for i := range r.transports {
		if r.transports[i].EagerACK {
			r.schedule.setEager(i)
		}
		r.ageing = r.ageing || r.transports[i].MaxAge != nil
	}
	r.schedule.commands.gap = d.Fallback
	if d.Fallback == 0 {
		r.schedule.commands.gap = DefaultFallback
	}
	r.begin()
	for i := range d.Commands {
		r.prepare(r.schedule.addCommand(&d.Commands[i]))
	}
	cause := r.loop()
	elapsed := sys.Now()
	r.clear(cause, true)
	if r.won == nil {
		return nil, &Error{Cause: cause, Elapsed: elapsed, Failures: r.accounts()}
	}
	return r.won, nil
}

// begin adds the lanes of the targets and proxies.
func (r *running) begin() {
	first := len(r.schedule.lanes)
	r.schedule.addTargets(r.HeadStart, r.targets)
	for i := range r.Proxies {
		r.schedule.addProxy(&r.Proxies[i])
	}
	for _, l := range r.schedule.lanes[first:] {
		l.listed = true
		r.prepare(l)
	}
	if len(r.lookups.asked) > 0 && r.family == AnyFamily && !r.sys.Route(IPv4) {
		r.askNAT64() // beside the names, so that it costs no time of its own
	}
}

// via is the interface that a is bound to.
func (r *running) via(a *attempt) string {
	if a.via != "" {
		return a.via
	}
	return r.Interface
}

// name is what a connects by.
func (r *running) name(a *attempt) string {
	switch {
	case a.addr.Proxy != nil:
		return a.addr.Proxy.Kind.String()
	case a.addr.Command != nil:
		return "command"
	case a.addr.Socket.Mux:
		return "vsock-mux"
	case a.addr.Socket.Path != "":
		return "unix"
	case a.addr.isSocket():
		return "vsock"
	}
	return r.transports[a.transport].name()
}

// otherWays returns the interfaces from which a is tried as well.
func (r *running) otherWays(to Addr) (names []string) {
	a := to.Addr()
	if to.isSocket() || a.Zone() != "" || a.IsLoopback() || r.Interface != "" {
		return nil
	}
	for _, i := range r.Interfaces {
		if a.Is4() && i.IPv4 || a.Is6() && i.IPv6 {
			names = append(names, i.Name)
		}
	}
	return names
}

// loop runs until an attempt has won, or none can win any more, or cause ends
// it early. News goes before the clock: what is ready at the deadline has won.
func (r *running) loop() (cause error) {
	tick := never
	if r.OnProgress != nil {
		tick = tickAfter
	}
	for now := time.Duration(0); ; now = r.sys.Now() { // the first attempts are of the beginning
		if now >= r.timeout {
			if r.Banner == "" && r.HostKey == nil && r.admitHeld(never) {
				return nil
			}
			if !r.onlyCommands(context.DeadlineExceeded) {
				return context.DeadlineExceeded
			}
		}
		r.retryFailed(now)
		r.startNAT64(now)
		r.expireCommands(now)
		if over := r.admitHeld(now) || r.tendChecks(now) || r.peek(now) || r.start(now) || r.askProxies(now); over || r.schedule.over() && !r.isWaiting() {
			return nil
		}
		if now >= tick {
			tick = never
			if r.OnProgress(r.progress(now)) {
				tick = now + tickEvery
			}
		}
		until := min(r.timeout, tick, r.gateDue(), r.expireDue(now), r.nat64.due(), r.askDue(), r.commandsDue(), r.peekDue(), r.checksDue(), r.waitDue())
		switch {
		case r.gate.closed(now):
			until = min(until, r.gate.quiet)
		default:
			until = min(until, r.schedule.due())
		}
		news, err := r.sys.Wait(until)
		if err != nil {
			return err
		}
		for _, a := range news.answers {
			r.answered(a)
		}
		for _, e := range news.ended {
			if over := r.ended(e.fd, e.err); over {
				return nil
			}
		}
	}
}

// start begins every attempt that is due. It returns true if one of them has
// ended the race, as connect and ended do.
func (r *running) start(now time.Duration) (over bool) {
	r.renew(now)
	r.expire(now)
	if r.gate.closed(now) {
		return false
	}
	r.schedule.rewind()
	for a := r.schedule.next(now); a != nil; a = r.schedule.next(now) {
		if !a.listed {
			a.listed = true
			r.attempts = append(r.attempts, a)
		}
		if over := r.connect(a); over || r.schedule.blocked != nil || r.gate.closed(now) {
			return over
		}
	}
	return false
}

// connect begins a try of a.
func (r *running) connect(a *attempt) (over bool) {
	if r.won != nil && !r.holds(a) {
		r.skip(a)
		return false
	}
	fd, done, err := r.sys.Connect(&r.transports[a.transport], a.addr, r.via(a))
	if err != nil && a.n > 0 {
		return false // the tries before it are still there
	}
	if err != nil {
		// Out of descriptors: a waits for one that this race will give back.
		full := errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
		if full && r.closeRetry() {
			return r.connect(a)
		}
		if full && len(r.byFD)+len(r.lookups.pending) > 0 {
			r.schedule.putBack(a)
			r.blockedErr = err
			return false
		}
	}
	busy := a.addr.Socket.Path != "" && errors.Is(err, syscall.EAGAIN)
	if a.err == nil { // or it waits since its first try for room
		a.tries++
		a.lastBegan = r.sys.Now()
		r.report(r.event(Start, a, nil))
	}
	switch {
	case busy:
		a.err = err
		r.schedule.again(a, r.sys.Now()+backlogWait)
		return false
	case err != nil:
		r.failed(a, err)
		return false
	}
	a.err = nil
	r.addTry(a, fd)
	if a.addr.Command != nil {
		r.commands = append(r.commands, a)
	}
	r.awaitNAT64(a)
	return done && r.ended(fd, nil)
}

// ended takes the end of a try's connecting, or that a connection has more to
// say.
func (r *running) ended(fd int, err error) (over bool) {
	a := r.byFD[fd]
	switch {
	case a == nil:
		return false // closed by what came before it in the same batch
	case err == syscall.ETIMEDOUT && a.pending() && a.n > 1:
		r.close(a, fd) // the kernel gives this one up, and goes on with the others
		return false
	case err != nil:
		r.failed(a, err)
		return false
	case a.addr.Command != nil:
		return r.spoke(a)
	case a.check.runs:
		return r.readCheck(a)
	case a.talk != nil && !a.talk.done:
		return r.converse(a)
	case a.fd >= 0 && !a.shown:
		return false // an ICMP error came for one that is held: no more than a hint
	case a.fd < 0:
		a.answer(fd, r.sys.Now())
		for a.n > 1 { // the other tries are of no use
			i := 0
			if a.open[0].fd == fd {
				i = 1
			}
			r.close(a, a.open[i].fd)
		}
		if a.addr.hasHandshake() {
			return r.reached(a)
		}
		r.repeatBefore(a)
		if r.waitUntil(a) > a.answered && r.won == nil {
			r.awaitTurn(a)
			return false
		}
	}
	return r.admit(a)
}

func (r *running) failed(a *attempt, err error) {
	seen := a.shown || a.fd >= 0 && !r.holds(a)
	r.closeTries(a)
	var socket errSocket
	a.err, a.ended = err, true
	r.schedule.failed(a, r.sys.Now(), errors.As(err, &socket))
	r.report(r.event(Failed, a, err))
	r.noteAttempt(a, err)
	r.failedIPv4(a, err)
	if !errors.As(err, &socket) {
		r.retryLater(a, err, seen)
	}
}

// clear closes what is still under way, commands only if they are to be. After a
// race without a winner it notes what became of everything that had not failed yet.
func (r *running) clear(cause error, commands bool) {
	for _, a := range r.attempts {
		if a.ended || a.tries == 0 || a.addr.Command != nil && !commands {
			continue
		}
		held := a.fd >= 0 && !a.shown && a.addr.Proxy == nil
		if r.won == nil || r.RunAll {
			r.closeTries(a)
		}
		why := cause
		switch {
		case cause != nil && a.talk != nil && !a.talk.done:
			why = fmt.Errorf("%w: %w", ErrNoReply, cause)
		case cause != nil && a.check.runs:
			why = fmt.Errorf("%w: %w", ErrUnchecked, cause)
		case cause != nil && a.check.waits:
			why = fmt.Errorf("%w: %w", ErrBeingChecked, cause)
		case cause != nil && a.shown:
			why = fmt.Errorf("%w: %w", ErrNoBanner, cause)
		case cause != nil && held:
			why = fmt.Errorf("%w: %w", ErrNotAsked, cause)
		case cause != nil && a.was != nil && r.sys.Now() < a.lastBegan+tryAgain:
			why = a.was
		case cause != nil && a.err != nil:
			why = fmt.Errorf("%w: %w", a.err, cause)
		}
		a.ended = true
		r.report(r.event(Cancelled, a, why))
		if why != nil {
			r.noteAttempt(a, why)
		}
	}
	if cause == nil {
		return
	}
	why := ErrNotTried
	if a := r.schedule.blocked; a != nil && a.tries == 0 && (a.addr.Command == nil || commands) {
		why = fmt.Errorf("not tried: %w", r.blockedErr)
		r.noteAttempt(a, why)
		r.report(Event{Kind: Failed, Candidate: Candidate{Target: a.lanes[0].target, Addr: a.addr}, Err: why})
	}
	for l, addr := range r.schedule.left(commands) {
		r.note(Failure{Candidate: Candidate{Target: l.target, Addr: addr}, Err: why})
	}
	for _, l := range r.schedule.lanes {
		if !notFound(l.err) { // which waits for another answer that is too late
			r.note(Failure{Candidate: Candidate{Target: l.target}, Err: l.err})
		}
	}
	for q := range r.lookups.unanswered() {
		err := cause
		if known := r.sys.Abandon(q); known != nil {
			err = fmt.Errorf("%w: %w", known, cause)
		}
		r.note(Failure{Candidate: Candidate{Target: r.schedule.lanes[q.lane].target}, Family: q.kind.family(), Err: err})
	}
}
