package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Commands are lanes that another program makes the connection of: ssh -W through a
// jump host, or another ProxyCommand. It has one end of a socket pair for stdin and
// stdout, and wins when what a server says first can be read from the other, which
// is then the winner's. They log in somewhere, and may ask a person for a
// passphrase: so they start late, and one after the other.

// A Command is a program that connects to Target, and relays.
type Command struct {
	// Name is how events and errors call it.
	Name   string
	Target Target

	// Start starts it, with stdio as its stdin and stdout, and returns its process
	// ID. The race ends the process, unless the command wins: then it runs for as
	// long as the connection is used. A race that is won sends the others SIGTERM
	// and does not wait for them: that is for its caller, or for whoever is left
	// when that has exited. A race that is not kills and waits for all.
	Start func(stdio int) (pid int, err error)
}

// DefaultFallback is how long after the last target commands start.
const DefaultFallback = time.Second

const (
	// commandTimeout is how long a command may take, whatever the Timeout: long
	// enough to type a passphrase, or a second factor.
	commandTimeout = 2 * time.Minute
)

// ErrCommandTimeout is why a command failed that ran, and had no banner for two
// minutes.
var ErrCommandTimeout = errors.New("no SSH banner within 2 minutes")

// An exitError is how a command ended that did not win.
type exitError struct{ status, signal int }

func (e exitError) Error() string {
	if e.signal > 0 {
		return fmt.Sprintf("ended by signal %d without a connection", e.signal)
	}
	return fmt.Sprintf("exited with status %d without a connection", e.status)
}

// spoke takes that a, a command, has said something, or has ended.
func (r *race) spoke(a *attempt) (over bool) {
	fd := a.open[0].fd
	switch err := r.sys.Heard(fd); err {
	case nil:
		a.answer(fd, r.sys.Now())
		r.win(a)
		return !r.RunAll
	case errNotYet:
		return false
	case errHalf:
		r.peekLater(a)
		return false
	default:
		r.failed(a, err)
		return false
	}
}

// commandsDue is when the next command has had its time.
func (r *race) commandsDue() time.Duration {
	due := never
	for _, a := range r.commands {
		if a.pending() {
			due = min(due, a.began+commandTimeout)
		}
	}
	return due
}

// expireCommands ends the commands that have had their time.
func (r *race) expireCommands(now time.Duration) {
	for _, a := range r.commands {
		if a.pending() && now >= a.began+commandTimeout {
			r.failed(a, ErrCommandTimeout)
		}
	}
}

// onlyCommands reports whether the race goes on, now that its time is out, with
// commands alone. They log in somewhere, and may wait for a person.
func (r *race) onlyCommands(cause error) bool {
	if r.won != nil || r.schedule.commands.over() {
		return false
	}
	r.clear(cause, false)
	r.timeout, r.wait.on = never, false
	r.lookups.stop()
	r.nat64 = nat64{asked: true, answered: true}
	r.schedule.onlyCommands()
	return true
}

// addCommand adds a lane that c makes.
func (s *schedule) addCommand(c *Command) *lane {
	l := s.newLane(c.Target)
	l.command = c
	s.commands.lanes = append(s.commands.lanes, []*lane{l})
	return l
}

// commandDue is when the next command may start.
func (s *schedule) commandDue() time.Duration {
	switch {
	case s.commands.started > 0 || len(s.commands.lanes) == 0:
		return s.commands.due()
	case s.proxies.over():
		return s.directSilent(s.commands.gap)
	case s.root.started < len(s.root.lanes):
		return never
	}
	return s.root.last + s.commands.gap
}

// commandOpen reports whether a command's turn has come, but it has not started: the
// gate is closed.
func (s *schedule) commandOpen() bool {
	return slices.ContainsFunc(s.open, func(l *lane) bool { return l.command != nil && !l.started })
}

// onlyCommands forgets all lanes but those of commands.
func (s *schedule) onlyCommands() {
	s.root, s.proxies = tiers{}, tiers{}
	s.pending, s.later = nil, nil
	if s.blocked != nil && s.blocked.addr.Command == nil {
		s.blocked = nil
	}
	s.open = slices.DeleteFunc(s.open, func(l *lane) bool { return l.command == nil })
	for _, l := range s.lanes {
		if l.command == nil {
			l.queue, l.group, l.err = [2][]group{}, nil, nil
		}
	}
}
