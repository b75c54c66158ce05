package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A private address may be another machine's in another place. Where that matters
// a program compares the server's host key before the address can win: it has the
// connection that was made, and ends it; only then the connection is made that the
// race is about. A check is something that the server sees, and so it takes turns
// with others in the gate.

// A HostKeyCheck keeps a candidate from winning whose server is not the expected
// machine. Commands are not checked.
type HostKeyCheck struct {
	// Known is called when a candidate has connected, with its targets and its
	// socket, which stays the race's. It returns nil if the candidate may win,
	// ErrUnchecked if a program has to check its server, ErrBeingChecked if another
	// process is doing that: it is called again soon. Other errors are why the
	// candidate fails.
	Known func(p Peer, targets []Target, fd int) error

	// Start starts that program, with the connection conn as its stdin and stdout,
	// and returns its process ID. conn and stderr stay the race's, which ends the
	// program as soon as there is a verdict, or the race is over.
	Start func(p Peer, conn, stderr int) (pid int, err error)

	// Verdict is called with what the program has written to stderr so far, and
	// whether it has ended. It returns nil if the server is the expected machine,
	// ErrUnchecked if that is still open, or why the candidate fails.
	Verdict func(p Peer, said string, ended bool) error

	// Done, if set, is called when the race is over.
	Done func()
}

// A Peer is one way to a server.
type Peer struct {
	Addr      Addr
	Interface string // that the socket is bound to, if any
}

var (
	// ErrUnchecked is HostKeyCheck's answer where a program has to check a server.
	// It is matched by the error of a candidate whose check was not over in time.
	ErrUnchecked = errors.New("connected, but its host key was not checked")

	// ErrBeingChecked is HostKeyCheck.Known's answer where another process checks
	// the server.
	ErrBeingChecked = errors.New("connected, but another process is checking its host key")
)

// checkAgain is when to look again what another process has found out.
const checkAgain = 20 * time.Millisecond

// A hostCheck is what an attempt knows of the host key of its server.
type hostCheck struct {
	passed  bool
	runs    bool          // a program checks it, whose stderr is the attempt's fd
	waits   bool          // another process checks it
	again   time.Duration // when to ask again, if waits
	patient time.Duration // until then, if waits, no other has its turn
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
	case ErrBeingChecked:
		r.awaitCheck(a)
		return errNotYet
	default:
		return err
	}
}

// awaitTurn holds a, which has connected, until its turn comes. While the turn is of
// one that waits for another process, a's host key need not wait: its server would see
// a connection that is held for too long.
func (r *race) awaitTurn(a *attempt) {
	if turn := r.gate.turn; r.HostKey != nil && turn != nil && turn.check.waits {
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
	a.check.passed, a.check.waits = err == nil, err == ErrBeingChecked
	return err
}

func (r *race) peer(a *attempt) Peer { return Peer{Addr: a.addr, Interface: r.via(a)} }

// startCheck has a program check the server of a. Its stderr takes the place of the
// connection.
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

// awaitCheck has a wait for another process. A connection that its server has not
// seen is not kept for that.
func (r *race) awaitCheck(a *attempt) {
	now := r.sys.Now()
	a.check.again = now + checkAgain
	if a.check.patient == 0 {
		a.check.patient = now + r.schedule.delay
	}
	r.reportConnected(a)
	if r.holds(a) && a.talk == nil {
		r.close(a, a.fd)
		a.fd, a.discarded = -1, a.tries
	} else {
		r.sys.Hold(a.fd)
	}
	r.gate.awaited = append(r.gate.awaited, a)
	if now < a.check.patient {
		r.gate.turn, r.gate.quiet, r.gate.until = a, a.check.patient, a.check.patient
		r.schedule.pause(r.gate.quiet)
	}
}

// tendChecks asks again what other processes have found out.
func (r *race) tendChecks(now time.Duration) (over bool) {
	for i := 0; i < len(r.gate.awaited); {
		a := r.gate.awaited[i]
		if now < a.check.again {
			i++
			continue
		}
		switch err := r.known(a); {
		case err == ErrBeingChecked:
			a.check.again = now + checkAgain
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

// checksDue is when the next of those that wait is to be asked about.
func (r *race) checksDue() time.Duration {
	due := never
	for _, a := range r.gate.awaited {
		due = min(due, a.check.again)
	}
	return due
}

// readCheck takes that the program which checks a has said something, or ended.
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

// redial begins a anew, whose server has been found out about, and gives it its turn.
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
	case r.schedule.blocked != nil: // another one is to have the next descriptor
		r.schedule.again(a, 0)
		return false
	}
	over = r.connect(a)
	if a.ended && !over && turn != nil && turn != a && !turn.ended { // which had it before
		r.gate.turn, r.gate.quiet, r.gate.until = turn, quiet, until
	}
	return over
}
