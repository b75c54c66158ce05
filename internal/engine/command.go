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

	// halfWait is when to look again for the rest of a banner of which a part has
	// come: poll(2) tells of what is there already.
	halfWait = 10 * time.Millisecond
)

// ErrCommandTimeout is why a command failed that ran, and had no banner for two
// minutes.
var ErrCommandTimeout = errors.New("no SSH banner within 2 minutes")

// errHalf is Heard's answer where a part of the banner is there.
var errHalf = errors.New("half a banner")

// An exitError is how a command ended that did not win.
type exitError struct{ status, signal int }

func (e exitError) Error() string {
	if e.signal > 0 {
		return fmt.Sprintf("ended by signal %d without a connection", e.signal)
	}
	return fmt.Sprintf("exited with status %d without a connection", e.status)
}

// commands is what a race knows of those that have started.
type commands struct {
	open []*attempt
	look time.Duration // when to look again at all of them, if half
	half bool
}

// spoke takes that a, a command, has said something, or has ended.
func (r *running) spoke(a *attempt) (over bool) {
	fd := a.open[0].fd
	switch err := r.sys.Heard(fd); err {
	case nil:
		a.answer(fd, r.sys.Now())
		r.win(a)
		return !r.RunAll
	case errNotYet:
		return false
	case errHalf:
		r.commands.half, r.commands.look = true, r.sys.Now()+halfWait
		return false
	default:
		r.failed(a, err)
		return false
	}
}

// commandsDue is when one of those that run is to be looked at, or ended.
func (r *running) commandsDue() time.Duration {
	due := never
	for _, a := range r.commands.open {
		if a.pending() {
			due = min(due, a.began+commandTimeout)
		}
	}
	if r.commands.half {
		due = min(due, r.commands.look)
	}
	return due
}

// tendCommands looks at those that have said a part of a banner, and ends those
// that have had their time.
func (r *running) tendCommands(now time.Duration) (over bool) {
	look := r.commands.half && r.commands.look <= now
	if look {
		r.commands.half = false
	}
	for _, a := range r.commands.open {
		if look && a.pending() {
			if over := r.spoke(a); over {
				return true
			}
		}
		if a.pending() && now >= a.began+commandTimeout {
			r.failed(a, ErrCommandTimeout)
		}
	}
	return false
}

// onlyCommands reports whether the race goes on, now that its time is out, with
// commands alone. They log in somewhere, and may wait for a person.
func (r *running) onlyCommands(cause error) bool {
	if r.won != nil || r.schedule.commands.over() {
		return false
	}
	r.clear(cause, false)
	r.timeout = never
	if r.waits != nil && r.waits.addr.Command == nil {
		r.waits = nil
	}
	r.asked, r.lookups = nil, nil
	r.nat64 = nat64{asked: true, answered: true}
	r.schedule.onlyCommands()
	return true
}

// addCommand adds a lane that c makes.
func (s *schedule) addCommand(c *Command) {
	l := s.newLane(c.Target)
	l.runs = c
	s.commands.tiers = append(s.commands.tiers, []*lane{l})
}

// commandDue is when the next command may start.
func (s *schedule) commandDue() time.Duration {
	switch {
	case s.commands.open > 0 || len(s.commands.tiers) == 0:
		return s.commands.due()
	case s.proxies.over():
		return s.directSilent(s.commands.gap)
	case s.root.open < len(s.root.tiers):
		return never
	}
	return s.root.last + s.commands.gap
}

// onlyCommands forgets all lanes but those of commands.
func (s *schedule) onlyCommands() {
	s.root, s.proxies = order{}, order{}
	s.waiting, s.later = nil, nil
	s.open = slices.DeleteFunc(s.open, func(l *lane) bool { return l.runs == nil })
	for _, l := range s.lanes {
		if l.runs == nil {
			l.queue, l.err = [2][]group{}, nil
		}
	}
}
