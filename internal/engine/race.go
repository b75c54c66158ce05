package engine

import (
	"context"
	"time"
)

// A race is one call of Dial. The loop is its only goroutine.
type race struct {
	*Dialer
	started    *Started
	targets    []Target
	sys        system
	schedule   *schedule
	lookups    lookups
	transports []Transport
	family     Family
	timeout    time.Duration

	attempts   []*attempt       // all of them, in the order in which they started
	byFD       map[int]*attempt // by the descriptors of their open tries
	blockedErr error            // why schedule.blocked could not start

	gate     gate
	proxies  proxies
	commands []*attempt // those that have started
	peeks    []*attempt // those with a part of a banner
	nat64    nat64
	wait     waiting

	hasMaxAge bool            // a transport has a MaxAge
	maxAges   []time.Duration // by transport: the result of MaxAge, never for no limit, or 0 before it is called

	failures []failure
	rejected map[Addr]bool // addresses that this race cannot use, each recorded once
	won      *Winner
}

func (d *Dialer) run(sys system, started *Started, targets []Target) (*Winner, error) {
	r := &race{
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
		r.hasMaxAge = r.hasMaxAge || r.transports[i].MaxAge != nil
	}
	r.schedule.commands.gap = d.Fallback
	if d.Fallback == 0 {
		r.schedule.commands.gap = DefaultFallback
	}
	r.begin()
	for i := range d.Commands {
		r.resolveTarget(r.schedule.addCommand(&d.Commands[i]))
	}
	cause := r.loop()
	elapsed := sys.Now()
	r.clear(cause, true)
	if r.won == nil {
		return nil, &Error{Cause: cause, Elapsed: elapsed, Failures: r.allFailures()}
	}
	return r.won, nil
}

// begin adds the lanes of the targets and proxies.
func (r *race) begin() {
	first := len(r.schedule.lanes)
	r.schedule.addTargets(r.HeadStart, r.targets)
	for i := range r.Proxies {
		r.schedule.addProxy(&r.Proxies[i])
	}
	for _, l := range r.schedule.lanes[first:] {
		l.listed = true
		r.resolveTarget(l)
	}
	if len(r.lookups.asked) > 0 && r.family == AnyFamily && !r.sys.Route(IPv4) {
		r.askNAT64() // together with the names, so that it costs no extra time
	}
}

// loop runs until an attempt has won or none can win any more, or until cause ends the race
// early. It handles events before timers: an attempt that is ready at the deadline wins.
func (r *race) loop() (cause error) {
	tick := never
	if r.OnProgress != nil {
		tick = tickAfter
	}
	for now := time.Duration(0); ; now = r.sys.Now() { // the first attempts start at 0
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
		r.extendTurn(now)
		if over := r.admitHeld(now) || r.pollChecks(now) || r.peek(now) || r.start(now) || r.askProxies(now); over || r.schedule.over() && !r.isWaiting() {
			return nil
		}
		if now >= tick {
			tick = never
			if r.OnProgress(r.progress(now)) {
				tick = now + tickEvery
			}
		}
		until := min(r.timeout, tick, r.gateDue(), r.expireDue(now), r.nat64.due(), r.askDue(), r.commandsDue(), r.peekDue(), r.checksDue(), r.waitDue())
		if r.gate.closed(now) {
			until = min(until, r.gate.quiet)
		} else {
			until = min(until, r.schedule.due())
		}
		events, err := r.sys.Wait(until)
		if err != nil {
			return err
		}
		for _, a := range events.answers {
			r.answered(a)
		}
		for _, c := range events.completions {
			if over := r.completed(c.fd, c.err); over {
				return nil
			}
		}
	}
}

// start starts every attempt that is due. It reports whether one of them has ended the race,
// as connect and completed do.
func (r *race) start(now time.Duration) (over bool) {
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
