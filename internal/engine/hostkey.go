package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// On another network a private address can belong to another machine. With
// Dialer.HostKey, a program compares the host key of a server before its candidate can
// win. The program uses the connection that was made; once it has found the right key,
// the race makes a second connection, which is the one that can win. The server sees the
// first, so checks take turns, as banners do (see gate).

// A HostKeyCheck decides whether a server is the expected machine. It applies to all
// candidates except Commands. Its functions are called from the goroutine of Dial.
type HostKeyCheck struct {
	// Known is called when a candidate has connected. fd is its socket, or -1 if the
	// race has closed it while another process checks the server; the race owns it.
	// Known returns nil if the candidate can win, ErrUnchecked if the server must be
	// checked, and ErrBeingChecked or ErrCheckLater to be called again in 20 ms. With
	// any other error the candidate fails.
	Known func(p Peer, targets []Target, fd int) error

	// Start starts the program, with conn as its stdin and stdout, and returns its
	// process ID. The race owns conn and stderr. It kills the program as soon as
	// there is a verdict, or when the race is over.
	Start func(p Peer, conn, stderr int) (pid int, err error)

	// Verdict is called with all that the program has written to stderr, whenever
	// there is more, and when it has ended. It returns nil if the server is the
	// expected machine, ErrUnchecked if it cannot tell yet, and otherwise the error
	// with which the candidate fails.
	Verdict func(p Peer, said string, ended bool) error

	// Done, if set, is called when the race is over. w is nil if nobody has won.
	Done func(w *Winner)
}

// A Peer is the address of a server, and the interface that it is reached through.
type Peer struct {
	Addr      Addr
	Interface string // empty if the socket is not bound to one
}

var (
	// ErrUnchecked says that a server has yet to be checked. A candidate that runs out
	// of time during its check fails with an error that matches it.
	ErrUnchecked = errors.New("connected, but its host key was not checked")

	// ErrBeingChecked says that another process is checking the server.
	ErrBeingChecked = errors.New("connected, but another process is checking its host key")

	// ErrCheckLater says that other candidates come first: a check of the server would
	// take long.
	ErrCheckLater = errors.New("connected, but its host key was to be checked later")
)

// knownInterval is the time between two calls of Known while another process checks a
// server.
const knownInterval = 20 * time.Millisecond

// A hostCheck is the state of the check of an attempt's server.
type hostCheck struct {
	passed bool
	runs   bool // the attempt's fd is the stderr of the program

	awaited  error         // ErrBeingChecked or ErrCheckLater if the attempt waits for that
	nextCall time.Duration // of Known, if awaited
	turnEnds time.Duration // of an awaited attempt
}

// checkHostKey returns nil if the server of a, which has connected, may win, and
// errNotYet if that is not known yet.
func (r *race) checkHostKey(a *attempt) error {
	if r.HostKey == nil || a.check.passed {
		return nil
	}
	switch err := r.known(a); err {
	case nil:
		return nil
	case ErrUnchecked:
		return r.startCheck(a)
	case ErrCheckLater:
		if !r.holds(a) || a.talk != nil {
			return r.startCheck(a) // its server has seen it already
		}
		fallthrough
	case ErrBeingChecked:
		r.awaitCheck(a)
		return errNotYet
	default:
		return err
	}
}

// awaitTurn holds a, which has connected, until its turn comes. If it is the turn of an
// attempt that only waits for another process, the check of a starts at once: a server
// sees a connection that is held for too long.
func (r *race) awaitTurn(a *attempt) {
	if turn := r.gate.turn; r.HostKey != nil && turn != nil && turn.check.awaited != nil {
		switch err := r.checkHostKey(a); err {
		case nil:
		case errNotYet:
			return
		default:
			r.reportConnected(a)
			r.failed(a, err)
			return
		}
	}
	r.hold(a)
}

// known asks HostKeyCheck.Known about a.
func (r *race) known(a *attempt) error {
	targets := make([]Target, len(a.lanes))
	for i, l := range a.lanes {
		targets[i] = l.target
	}
	err := r.HostKey.Known(r.peer(a), targets, a.fd)
	a.check.passed, a.check.awaited = err == nil, nil
	if err == ErrBeingChecked || err == ErrCheckLater {
		a.check.awaited = err
	}
	return err
}

func (r *race) peer(a *attempt) Peer { return Peer{Addr: a.addr, Interface: r.via(a)} }

// startCheck starts the program for a. Its stderr takes the place of the connection.
func (r *race) startCheck(a *attempt) error {
	fd, err := r.sys.StartCheck(a.fd, func(conn, stderr int) (int, error) {
		return r.HostKey.Start(r.peer(a), conn, stderr)
	})
	if err != nil {
		return fmt.Errorf("cannot check its host key: %w", err)
	}
	i := slices.IndexFunc(a.open[:a.n], func(t try) bool { return t.fd == a.fd })
	delete(r.byFD, a.fd)
	a.open[i].fd, a.fd = fd, fd
	r.byFD[fd] = a
	a.check.runs = true
	r.show(a)
	return errNotYet
}

// awaitCheck makes a wait for the check by another process, or until its own check may
// start. It closes the connection if the server has not seen it.
func (r *race) awaitCheck(a *attempt) {
	now := r.sys.Now()
	a.check.nextCall = now + knownInterval
	if a.check.turnEnds == 0 {
		a.check.turnEnds = now + r.schedule.delay
	}
	r.reportConnected(a)
	if r.holds(a) && a.talk == nil {
		r.close(a, a.fd)
		a.fd, a.discarded = -1, a.tries
	} else {
		r.sys.Hold(a.fd)
	}
	r.gate.awaited = append(r.gate.awaited, a)
	if now < a.check.turnEnds && a.check.awaited == ErrBeingChecked {
		r.gate.turn, r.gate.quiet, r.gate.until = a, a.check.turnEnds, a.check.turnEnds
		r.schedule.pause(r.gate.quiet)
	}
}

// pollChecks calls Known again for the attempts whose servers other processes check.
func (r *race) pollChecks(now time.Duration) (over bool) {
	for i := 0; i < len(r.gate.awaited); {
		a := r.gate.awaited[i]
		if now < a.check.nextCall {
			i++
			continue
		}
		switch err := r.known(a); {
		case a.check.awaited != nil:
			a.check.nextCall = now + knownInterval
			i++
		case err != nil && err != ErrUnchecked:
			r.failed(a, err)
		default:
			r.gate.awaited = slices.Delete(r.gate.awaited, i, i+1)
			switch {
			case a.fd >= 0:
				over = r.admit(a)
			case r.gate.turn != a && r.gate.closed(now):
				r.schedule.again(a, 0) // when it is open
			default:
				over = r.redial(a)
			}
			if over {
				return true
			}
		}
	}
	return false
}

// checksDue is when pollChecks has something to do.
func (r *race) checksDue() time.Duration {
	due := never
	for _, a := range r.gate.awaited {
		due = min(due, a.check.nextCall)
	}
	return due
}

// readCheck reads the output of the program that checks a's server.
func (r *race) readCheck(a *attempt) (over bool) {
	said, ended := r.sys.ReadCheck(a.fd)
	switch err := r.HostKey.Verdict(r.peer(a), said, ended); {
	case err == ErrUnchecked && !ended:
		return false
	case err != nil:
		r.failed(a, err)
		return false
	}
	r.close(a, a.fd)
	a.check = hostCheck{passed: true}
	return r.redial(a)
}

// redial makes the connection of a that can win, and gives it its turn.
func (r *race) redial(a *attempt) (over bool) {
	now := r.sys.Now()
	a.fd, a.talk, a.shown, a.discarded = -1, nil, false, a.tries
	turn, quiet, until := r.gate.turn, r.gate.quiet, r.gate.until
	r.gate.turn, r.gate.quiet, r.gate.until = a, now+r.schedule.delay, now+r.schedule.delay
	r.schedule.pause(r.gate.quiet)
	a.lanes[0].last = now
	if r.proxies.asked == a {
		r.proxies.asked = nil
	}
	switch {
	case now >= r.timeout:
		return false
	case r.schedule.blocked != nil: // the next free descriptor is for that attempt
		r.schedule.again(a, 0)
		return false
	}
	over = r.connect(a)
	if a.ended && !over && turn != nil && turn != a && !turn.ended { // a failed at once: give the turn back
		r.gate.turn, r.gate.quiet, r.gate.until = turn, quiet, until
	}
	return over
}
