//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// sessionVerbs are those of the stories of a session that outlives its network.
// What NAME says on stderr is in NAME.log.
//
//	types NAME PROG ARG...        starts PROG, types a line to it every 20 ms, but
//	                              none while ten are not back, and wants each back
//	streams NAME PROG ARG...      starts PROG, which is to print what comes out of
//	                              the pipe NAME.in: a line every 2 ms, without ever
//	                              a pause for those before
//	rests NAME...                 types no more, until NAME is to live
//	copies NAME FROM TO PROG ARG...
//	                              starts PROG, with FROM as stdin and TO as stdout,
//	                              one way or another to make TO a copy of FROM; when
//	                              TO has begun to grow PROG is stopped (SIGSTOP)
//	goes NAME...                  it goes on; mostly when its path is lost, so that it
//	                              has not ended before
//	lives NAME...                 what is typed from now on comes back
//	runs NAME...                  PROG has not ended yet
//	hangs D NAME...               nothing comes for D, though PROG runs, and lines
//	                              are typed again
//	dies NAME...                  PROG ends by itself, as one that failed
//	ends NAME...                  PROG ends as one that did not, and every byte has
//	                              come: each line once and in order, all of FROM
//
// lives, dies and ends print the longest gap since they last did: how long a
// line had to wait until it was back, or a file until it grew.
func sessionVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	for name, do := range map[string]func(*state, *testscript.TestScript, []string) error{
		"types": (*state).types, "streams": (*state).streams, "copies": (*state).copies, "hangs": (*state).hangs,
		"paths": (*state).paths, "sandbox": (*state).sandbox, // e2e_mptcp_test.go
		"rests": each((*session).rest), "goes": each((*session).goOn), "lives": each((*session).live), "runs": each((*session).runs),
		"dies": each((*session).die), "ends": each((*session).end),
	} {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! %s means nothing", name)
			}
			ts.Check(do(ts.Value(stateKey{}).(*state), ts, args))
		}
	}
	return cmds
}

const (
	keystroke = 20 * time.Millisecond
	// ahead is after how many lines one who types waits for the screen, as a
	// person does. One whose output never pauses fills the receive buffer while a
	// path is lost: see streams.
	ahead = 10
	// torrent is between two lines of one who does not wait.
	torrent   = 2 * time.Millisecond
	lifeSigns = 10 // lines
	// lifespan is for a session that has to find another path: as long as the
	// kernel doubles its timeouts after a minute without a network.
	lifespan = 2 * time.Minute
)

// each is a verb whose words are names of sessions.
func each(do func(*session, *testscript.TestScript) error) func(*state, *testscript.TestScript, []string) error {
	return func(s *state, ts *testscript.TestScript, names []string) error {
		if len(names) == 0 {
			return errors.New("which session?")
		}
		for _, name := range names {
			one := s.sessions[name]
			if one == nil {
				return fmt.Errorf("there is no session %q", name)
			}
			if err := do(one, ts); err != nil {
				said, _ := os.ReadFile(one.log)
				return fmt.Errorf("%s: %w\n%s", name, err, said)
			}
		}
		return nil
	}
}

func (o *session) rest(*testscript.TestScript) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resting = true
	return nil
}

// until waits for something to be seen; done is called under the lock.
func (o *session) until(done func() bool) error {
	for end := time.Now().Add(lifespan); ; time.Sleep(2 * time.Millisecond) {
		o.mu.Lock()
		ok, wrong, last := done(), o.wrong, o.last
		o.mu.Unlock()
		switch {
		case wrong != nil:
			return wrong
		case ok:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("hangs since %v", time.Since(last))
		case o.hasEnded():
			return fmt.Errorf("has ended: %v", o.err)
		}
	}
}

func (o *session) hasEnded() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// goOn does not wait for a byte: what comes next in a story happens while they
// flow.
func (o *session) goOn(*testscript.TestScript) error {
	o.mu.Lock()
	o.last = time.Now()
	o.mu.Unlock()
	return o.signal(unix.SIGCONT)
}

func (o *session) live(ts *testscript.TestScript) error {
	if !o.types {
		return errors.New("nothing is typed there")
	}
	o.mu.Lock()
	o.resting = false
	enough := int64(len(o.sent)) + lifeSigns
	o.mu.Unlock()
	if err := o.until(func() bool { return o.came >= enough }); err != nil {
		return err
	}
	o.report(ts)
	return nil
}

func (o *session) runs(*testscript.TestScript) error {
	if o.hasEnded() {
		return fmt.Errorf("has ended: %v", o.err)
	}
	return nil
}

// report prints the longest gap, and begins anew.
func (o *session) report(ts *testscript.TestScript) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(ts.Stdout(), "%s: longest gap %v\n", o.name, o.gap.Round(time.Millisecond))
	o.gap = 0
}

func (s *state) hangs(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: hangs D NAME...")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	return each(func(o *session, _ *testscript.TestScript) error {
		o.mu.Lock()
		since, came := o.last, o.came
		if o.resting { // what did not come was not asked for
			since, o.resting = time.Now(), false
		}
		o.mu.Unlock()
		time.Sleep(time.Until(since.Add(d)))
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.came != came {
			return errors.New("it does not hang")
		}
		return o.runs(ts)
	})(s, ts, args[1:])
}

func (o *session) die(ts *testscript.TestScript) error {
	select {
	case <-o.ended:
	case <-time.After(lifespan):
		return fmt.Errorf("still runs after %v", lifespan)
	}
	if o.err == nil {
		return errors.New("has ended well")
	}
	o.mu.Lock()
	o.gap = max(o.gap, time.Since(o.last))
	o.mu.Unlock()
	o.report(ts)
	return nil
}

func (o *session) end(ts *testscript.TestScript) error {
	o.rest(ts)
	if o.types {
		if err := o.until(func() bool { return o.came == int64(len(o.sent)) }); err != nil {
			return err
		}
	}
	close(o.hush)
	select {
	case <-o.ended:
	case <-time.After(lifespan):
		return fmt.Errorf("still runs after %v", lifespan)
	}
	if o.err != nil || o.wrong != nil {
		return errors.Join(o.err, o.wrong)
	}
	o.report(ts)
	if o.types {
		return nil
	}
	return sameContent(o.from, o.to)
}

func sameContent(a, b string) error {
	want, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(b)
	if err == nil && !bytes.Equal(want, got) {
		err = fmt.Errorf("%s of %d bytes is no copy of %s of %d", b, len(got), a, len(want))
	}
	return err
}
