package engine

import (
	"errors"
	"syscall"
)

// connect starts a try of a.
func (r *race) connect(a *attempt) (over bool) {
	if r.won != nil && !r.holds(a) {
		r.skip(a)
		return false
	}
	fd, done, err := r.sys.Connect(&r.transports[a.transport], a.addr, r.via(a))
	if err != nil && a.n > 0 {
		return false // the tries before it are still there
	}
	if err != nil {
		// Out of descriptors: a waits until this race has closed one.
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
	if a.err == nil { // else this try was reported before, and its backlog was full
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
	r.watchIPv4(a)
	return done && r.completed(fd, nil)
}

// completed handles a completion: a try has connected or failed, or a connection has
// something to read.
func (r *race) completed(fd int, err error) (over bool) {
	a := r.byFD[fd]
	switch {
	case a == nil:
		return false // closed because of an earlier completion of the same Wait
	case err == syscall.ETIMEDOUT && a.pending() && a.n > 1:
		r.close(a, fd) // the kernel has given this try up; others are open
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
		return false // an ICMP error for a held connection is only a hint (RFC 1122)
	case a.fd < 0:
		a.answer(fd, r.sys.Now())
		for a.n > 1 { // the other tries are not needed any more
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

// failed ends a with err.
func (r *race) failed(a *attempt, err error) {
	accepted := r.accepted(a)
	r.closeTries(a)
	var socket errSocket
	a.err, a.ended = err, true
	r.schedule.failed(a, r.sys.Now(), errors.As(err, &socket))
	r.report(r.event(Failed, a, err))
	r.recordAttempt(a, err)
	r.failedIPv4(a, err)
	if !errors.As(err, &socket) {
		r.retryLater(a, err, accepted)
	}
}

// accepted reports whether a server has seen the connection of a.
func (r *race) accepted(a *attempt) bool { return a.shown || a.fd >= 0 && !r.holds(a) }

// via returns the interface that a is bound to, or "".
func (r *race) via(a *attempt) string {
	if a.iface != "" {
		return a.iface
	}
	return r.Interface
}

// name returns Candidate.Transport for a.
func (r *race) name(a *attempt) string {
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

// otherWays returns the interfaces from which the race also tries to.
func (r *race) otherWays(to Addr) (names []string) {
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
