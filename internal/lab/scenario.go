//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// scenario is the state of one script.
type scenario struct {
	env       *testscript.Env
	near, far *Host
	wire      *Wire
	links     map[string]*Link
	servers   map[netip.AddrPort]*Server
	resolvers map[string]*DNS // the one that "dns" makes by itself is ""

	probe *StallProbe

	// Of the last race.
	result *Result
	delay  time.Duration // by how much the machine may have delayed it

	inexact bool // it failed by a time, or by what depends on one
}

type (
	scenarioKey struct{}
	probeKey    struct{}
)

// NearHost and FarHost are the hosts of a script, for the verbs of others.
func NearHost(ts *testscript.TestScript) *Host { return scenarioOf(ts).near }
func FarHost(ts *testscript.TestScript) *Host  { return scenarioOf(ts).far }

// Timed tells the lab that the script goes on to compare times that were measured since
// from: if the machine stalled meanwhile, a failure does not count (see RunStories).
func Timed(ts *testscript.TestScript, from time.Time) {
	s := scenarioOf(ts)
	s.inexact = s.inexact || s.probe.Worst(from) > tolerance
}

func scenarioOf(ts *testscript.TestScript) *scenario { return ts.Value(scenarioKey{}).(*scenario) }

// Setup gives a script its laptop, in which it and all that it executes run,
// its internet, and a wire that has no link yet. It is called by the Setup of the
// [testscript.Params] of RunStories.
func Setup(env *testscript.Env) (err error) {
	s := &scenario{env: env, links: map[string]*Link{}, servers: map[netip.AddrPort]*Server{}, resolvers: map[string]*DNS{}}
	env.Values[scenarioKey{}] = s
	s.probe = env.Values[probeKey{}].(*StallProbe)
	env.Defer(func() {
		if err := s.close(); err != nil {
			env.T().Fatal("lab: ", err)
		}
	})
	if s.near, err = Enter("near"); err != nil {
		return err
	}
	if s.far, err = NewHost("far"); err != nil {
		return err
	}
	s.wire, err = NewWire(1)
	return err
}

func (s *scenario) close() error {
	err := s.forget()
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	for _, d := range s.resolvers {
		err = errors.Join(err, d.Close())
	}
	if s.wire != nil {
		err = errors.Join(err, s.wire.Close())
	}
	for _, h := range []*Host{s.near, s.far} {
		if h != nil {
			err = errors.Join(err, h.Close())
		}
	}
	return err
}

// forget closes the descriptor of the last race.
func (s *scenario) forget() error {
	defer func() { s.result = nil }()
	if s.result == nil || s.result.FD < 0 {
		return nil
	}
	return unix.Close(s.result.FD)
}

// race runs a helper as ssh does.
func (s *scenario) race(ts *testscript.TestScript, neg bool, args []string) error {
	// More than the slowest thing to wait for: the kernel gives up an MPTCP handshake.
	const longest = time.Minute
	if err := s.forget(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	env := append(slices.Clone(s.env.Vars), "PWD="+ts.MkAbs("."))
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	hangUp := func(*Helper) {}
	if len(args) > 1 && args[0] == "hangup" {
		after, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		hangUp, args = func(h *Helper) { go s.hangUp(ctx, h, after) }, args[2:]
	}
	if len(args) == 0 {
		return errors.New("usage: race [NAME=VALUE...] [hangup D] [exec PROG] ARG... (see lab.Commands)")
	}
	if args[0] == "exec" {
		args = args[1:]
	} else {
		args = append([]string{"fdrace"}, args...)
	}
	path, err := lookPath(args[0], ts.Getenv("PATH"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), env

	s.wire.Mark()
	if s.result, err = run(cmd, hangUp); err != nil {
		return err
	}
	stall, late := s.probe.Worst(s.wire.Marked()), s.wire.Late()
	s.delay = stall + late
	fmt.Fprint(ts.Stderr(), s.result.Stderr)
	switch r := s.result; {
	case ctx.Err() != nil:
		return fmt.Errorf("the helper still ran after %v", longest)
	case r.Extra != "":
		return fmt.Errorf("on stdout, where ssh would have failed: %q", r.Extra)
	case neg && r.FD >= 0:
		return fmt.Errorf("won by %v", r.Facts.Peer)
	case neg && r.Status == 0:
		return errors.New("exit status 0 without a descriptor")
	case !neg && r.FD < 0:
		// A stall as long as the deadline loses any race.
		s.inexact = s.delay >= r.ToExit/2
		return fmt.Errorf("no descriptor: exit status %d after %s (the machine stalled for %s, the wire was late by %s): %s%s",
			r.Status, ms(r.ToExit), ms(stall), ms(late), r.Stderr, s.listing(Match{}))
	case !neg && r.Status != 0:
		return fmt.Errorf("a descriptor, and exit status %d: %s", r.Status, r.Stderr)
	}
	return nil
}

// hangUp hangs a helper up, as when ssh is killed, a while after its first packet.
func (s *scenario) hangUp(ctx context.Context, h *Helper, after time.Duration) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if zero := s.zero(); zero > 0 && time.Since(s.wire.Marked()) >= zero+after {
			h.HangUp()
			return
		}
		<-tick.C
	}
}

// lookPath is exec.LookPath in the script's PATH.
func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s: not in PATH=%s", name, path)
}

// zero returns the time of the helper's first packet of the last race, since the wire's
// Mark; 0 without any.
func (s *scenario) zero() time.Duration {
	first := time.Duration(-1)
	sign := func(at time.Duration) {
		if first < 0 || at < first {
			first = at
		}
	}
	for _, q := range s.queries() {
		sign(q.At)
	}
	for _, p := range s.wire.Packets() {
		if p.Dir == Out && (Syn.has(&p) || p.Proto == unix.IPPROTO_UDP) {
			sign(p.At)
		}
	}
	return max(0, first)
}
