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

// Exit codes. ssh throws them away; scripts do not.
const (
	exitNothingReachable = 1
	exitUsage            = 2
	exitNotPassed        = 3
)

// A usageError is a command line that cannot be followed.
type usageError struct{ error }

// An Exit is a code to end with, without a word.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// A passError is a connection, or a wish for one, that ssh cannot be given.
type passError struct{ error }

// Main does what the command line says, and exits. fastParse reads a common line; the
// others are for readArgs, which may return something to do in place of a race.
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
	if !errors.Is(err, engine.ErrHangup) { // else nobody is left to read a word
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

// Race returns what the command line says of a race.
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
	// Before the race, not after it: no server shall see a connection that is bound to
	// be thrown away.
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
		_ = mptcp.GrowReceiveBuffer(w.FD) // without it the session works, too
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

// prestart hands over before a second attempt is due. Otherwise this does not compile.
const _ = uint64(engine.DefaultDelay - prestart.Patience - 1)

// started returns what was done of the race before the runtime.
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
