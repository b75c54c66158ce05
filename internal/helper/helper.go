//go:build unix

// Package helper is fdrace as ssh runs it: it races the targets of a command
// line, passes ssh the winner's socket, and exits. Package main adds the flags.
package helper

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"fdrace/fdpass"
	"fdrace/internal/engine"
	"fdrace/internal/prestart"
	_ "fdrace/internal/stackgrow"
	"fdrace/mptcp"
)

// Exit codes. ssh ignores them, but scripts may not.
const (
	exitNothingReachable = 1
	exitUsage            = 2
	exitNotPassed        = 3
)

// A usageError is the error of a wrong command line.
type usageError struct{ error }

// An Exit ends the process with this code, and prints nothing.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// A passError says why a connection cannot be passed to ssh.
type passError struct{ error }

// Main does what the command line says, and exits. FastParse reads common command lines,
// and readArgs the others; it may return a function to run instead of a race.
func Main(readArgs func(*Options, []string) (instead func(*Options) error, err error)) {
	if o, ok := FastParse(os.Args[1:]); ok {
		exit(run(context.Background(), o, 1, 0))
	}
	var o Options
	do, err := readArgs(&o, os.Args[1:])
	switch {
	case err != nil:
		if o.Log == "" {
			o.Log = logOf(os.Args[1:])
		}
		o.openLog()
		exit(usageError{err})
	case do != nil:
		exit(do(&o))
	}
	exit(run(context.Background(), &o, 1, 0))
}

// exit ends the process as outcome says.
func exit(err error) {
	statusLine.erase()
	code, lines := outcome(err)
	logLine(lines...)
	if !errors.Is(err, engine.ErrHangup) { // else ssh has exited
		printErr(lines...)
	}
	os.Exit(code)
}

// outcome returns the exit status for err, and the lines about it for stderr and the log.
func outcome(err error) (code int, lines []string) {
	var usage usageError
	var pass passError
	var silent Exit
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &silent):
		return int(silent), nil
	case errors.As(err, &usage):
		return exitUsage, []string{"fdrace: " + err.Error(), `fdrace: try "fdrace --help"`}
	case errors.As(err, &pass):
		return exitNotPassed, []string{"fdrace: " + err.Error()}
	case errors.Is(err, engine.ErrHangup):
		return exitNotPassed, []string{"fdrace: " + engine.ErrHangup.Error()}
	}
	return exitNothingReachable, lossLines(err)
}

// Race opens the log, and returns the targets and the rules of the race that the command
// line asks for. An error is about the command line.
func (o *Options) Race() ([]engine.Target, *engine.Dialer, error) {
	o.openLog()
	targets, d, err := o.Plan()
	if err != nil {
		return nil, nil, usageError{err}
	}
	return targets, d, nil
}

// run races, and passes the connection over the first of fds that is ssh's socket.
// Signals keep their default actions, which end the process at once, and its sockets with
// it.
func run(ctx context.Context, o *Options, fds ...int) error {
	targets, d, err := o.Race()
	if err != nil {
		return err
	}
	// Before the race, not after it: no server should see a connection that cannot be
	// passed on.
	ssh, err := findSSH(fds...)
	if err != nil {
		return passError{err}
	}
	d.Hangup = []int{ssh}
	if o.waker != nil {
		o.waker.start(d)
	}
	var families FamilyWatch
	if o.Verbose > 0 {
		families.attach(d)
	}
	w, err := d.Continue(ctx, started(), targets...)
	statusLine.erase()
	if err != nil {
		return newRaceError(ctx, err, targets, d)
	}
	if w.Transport == "mptcp" {
		_ = mptcp.GrowReceiveBuffer(w.FD) // a session also works without it
	}
	if err := fdpass.Send(ssh, w.FD); err != nil {
		return passError{fmt.Errorf("connected to %s, but the socket could not be passed: %w", w.Addr, err)}
	}
	if o.Verbose > 0 || logFile >= 0 {
		words := winnerLine(w)
		logLine(words)
		if o.Verbose > 0 {
			printErr(words)
			if silent := families.Silent(w, d.Delay); silent != "" {
				printErr("fdrace: " + silent)
			}
		}
	}
	printPaths(o, w)
	return nil
}

// This constant overflows, which is a compile error, unless prestart hands over before a
// second attempt is due.
const _ = uint64(engine.DefaultDelay - prestart.Patience - 1)

// started returns the part of the race that was run before Go's runtime started.
func started() *engine.Started {
	conns, lookups, age := prestart.Handoff()
	s := &engine.Started{Age: age, Lookups: lookups}
	for _, c := range conns {
		if s.Sockets == nil {
			s.Sockets = map[netip.AddrPort]engine.StartedSocket{}
		}
		s.Sockets[c.Peer] = engine.StartedSocket{FD: c.FD, At: c.At}
	}
	return s
}
