package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A command is a program that connects to a target: ssh -W through a jump host, or another
// ProxyCommand. Its stdin and stdout are one end of a socket pair. It wins when an SSH banner
// can be read from the other end, which is then Winner.FD. As commands log in somewhere, and
// may ask for a passphrase, they start late, and one after the other.

// A Command is a program that connects to Target and relays.
type Command struct {
	// Name is what events and errors call it.
	Name   string
	Target Target

	// Start starts it, with stdio as its stdin and stdout, and returns its process
	// ID. The process of a winner runs for as long as the connection is used; the
	// caller of Dial has to wait for it, or leave that to init. A race that is won
	// sends SIGTERM to the other processes and does not wait for them. A race
	// without a winner ends all processes and waits for them.
	Start func(stdio int) (pid int, err error)
}

// DefaultFallback is the time from the start of the last target to the first command.
const DefaultFallback = time.Second

// commandTimeout bounds a command, whatever the Timeout. It is long enough to type a
// passphrase or a second factor.
const commandTimeout = 2 * time.Minute

// ErrCommandTimeout marks a command that sent no banner for two minutes.
var ErrCommandTimeout = errors.New("no SSH banner within 2 minutes")

// An exitError says how a command exited that did not win.
type exitError struct{ status, signal int }

func (e exitError) Error() string {
	if e.signal > 0 {
		return fmt.Sprintf("ended by signal %d without a connection", e.signal)
	}
	return fmt.Sprintf("exited with status %d without a connection", e.status)
}

// spoke handles output of a, which is a command, or the end of its output.
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

// commandsDue returns when the next command times out.
func (r *race) commandsDue() time.Duration {
	due := never
	for _, a := range r.commands {
		if a.pending() {
			due = min(due, a.began+commandTimeout)
		}
	}
	return due
}

// expireCommands ends the commands that have timed out.
func (r *race) expireCommands(now time.Duration) {
	for _, a := range r.commands {
		if a.pending() && now >= a.began+commandTimeout {
			r.failed(a, ErrCommandTimeout)
		}
	}
}

// onlyCommands ends everything but commands, now that the time is out, and reports whether
// there are any. They may be waiting for a person.
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

// addCommand adds a lane for c.
func (s *schedule) addCommand(c *Command) *lane {
	l := s.newLane(c.Target)
	l.command = c
	s.commands.lanes = append(s.commands.lanes, []*lane{l})
	return l
}

// commandDue returns when the next command may start.
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

// commandOpen reports whether a command has its turn but has not started, because the gate is
// closed.
func (s *schedule) commandOpen() bool {
	return slices.ContainsFunc(s.open, func(l *lane) bool { return l.command != nil && !l.started })
}

// onlyCommands forgets all lanes except those of commands.
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
