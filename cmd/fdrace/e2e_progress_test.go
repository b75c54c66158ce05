//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// session is a program, mostly ssh, whose progress is watched.
type session struct {
	name     string
	log      string // a file
	cmd      *exec.Cmd
	types    bool
	every    time.Duration // it types a line
	ahead    int64         // but none while so many are not back
	from, to string        // it copies
	hush     chan struct{} // closed: there is no more to type
	ended    chan struct{} // closed: err is how

	mu      sync.Mutex
	resting bool
	sent    []time.Time // of each line
	came    int64       // lines, or bytes
	last    time.Time   // it came
	gap     time.Duration
	wrong   error // the first line that was not the one expected
	err     error
}

// newSession prepares a program for the near host, in a process group of its own.
func (s *state) newSession(ts *testscript.TestScript, name string, args []string) (*session, error) {
	if s.sessions[name] != nil {
		return nil, fmt.Errorf("there is a session %q", name)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	one := &session{
		name:  name,
		log:   ts.MkAbs(name + ".log"),
		cmd:   exec.Command(path, args[1:]...),
		hush:  make(chan struct{}),
		ended: make(chan struct{}),
		last:  time.Now(),
	}
	one.cmd.Dir, one.cmd.Env = ts.MkAbs("."), s.env.Vars
	one.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return one, nil
}

// start starts the program; watch returns when there is nothing more to see.
func (s *state) start(ts *testscript.TestScript, one *session, watch func()) error {
	log, err := os.Create(one.log)
	if err != nil {
		return err
	}
	defer log.Close()
	one.cmd.Stderr = log
	wait, err := lab.NearHost(ts).Start(one.cmd)
	if err != nil {
		return err
	}
	if s.sessions == nil {
		s.sessions = map[string]*session{}
	}
	s.sessions[one.name] = one
	s.others = append(s.others, one)
	go func() {
		defer close(one.ended)
		watch()
		one.err = wait()
	}()
	return nil
}

func (s *state) types(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: types NAME PROG ARG...")
	}
	one, err := s.newSession(ts, args[0], args[1:])
	if err != nil {
		return err
	}
	in, err := one.cmd.StdinPipe()
	if err != nil {
		return err
	}
	one.every, one.ahead = keystroke, ahead
	return s.startTyping(ts, one, in)
}

// streams types into a pipe of its own, which is open for both: it neither waits
// for PROG nor ends with it.
func (s *state) streams(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: streams NAME PROG ARG...")
	}
	one, err := s.newSession(ts, args[0], args[1:])
	if err != nil {
		return err
	}
	path := ts.MkAbs(args[0] + ".in")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return err
	}
	in, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	one.every, one.ahead = torrent, math.MaxInt64
	return s.startTyping(ts, one, in)
}

func (s *state) startTyping(ts *testscript.TestScript, one *session, in io.WriteCloser) error {
	one.types = true
	out, err := one.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.start(ts, one, func() { one.read(out) }); err != nil {
		return err
	}
	go one.write(in)
	return nil
}

func typed(n int64) string { return fmt.Sprintf("line %d", n) }

// write types until there is no more to type. The second line waits for the
// first to be back: before that it was a login.
func (o *session) write(in io.WriteCloser) {
	defer in.Close()
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		select {
		case <-o.hush:
			return
		case <-tick.C:
		}
		o.mu.Lock()
		n := len(o.sent)
		resting := o.resting || n > 0 && o.came == 0 || int64(n)-o.came >= o.ahead
		if !resting {
			o.sent = append(o.sent, time.Now())
		}
		o.mu.Unlock()
		if !resting {
			fmt.Fprintln(in, typed(int64(n))) // if nobody reads, it does not come back
		}
	}
}

// read compares what comes back.
func (o *session) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		o.mu.Lock()
		if o.wrong == nil && (lines.Text() != typed(o.came) || o.came >= int64(len(o.sent))) {
			o.wrong = fmt.Errorf("%q instead of line %d came back", lines.Text(), o.came)
		}
		if o.wrong == nil {
			o.last = time.Now()
			if o.came > 0 {
				o.gap = max(o.gap, o.last.Sub(o.sent[o.came]))
			}
			o.came++
		}
		o.mu.Unlock()
	}
}

func (s *state) copies(ts *testscript.TestScript, args []string) error {
	if len(args) < 4 {
		return errors.New("usage: copies NAME FROM TO PROG ARG...")
	}
	one, err := s.newSession(ts, args[0], args[3:])
	if err != nil {
		return err
	}
	one.from, one.to = ts.MkAbs(args[1]), ts.MkAbs(args[2])
	from, err := os.Open(one.from)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(one.to)
	if err != nil {
		return err
	}
	defer to.Close()
	one.cmd.Stdin, one.cmd.Stdout = from, to
	if err := s.start(ts, one, func() {}); err != nil {
		return err
	}
	go one.watch()
	if err := one.until(func() bool { return one.came > 0 }); err != nil {
		return err
	}
	return one.signal(unix.SIGSTOP)
}

// watch looks how the file grows, every other millisecond. When that begins is
// no gap: before it was a login.
func (o *session) watch() {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ; !o.hasEnded(); <-tick.C {
		st, err := os.Stat(o.to)
		if err != nil || st.Size() == 0 {
			continue
		}
		o.mu.Lock()
		if now := time.Now(); st.Size() > o.came {
			if o.came > 0 {
				o.gap = max(o.gap, now.Sub(o.last))
			}
			o.came, o.last = st.Size(), now
		}
		o.mu.Unlock()
	}
}

// Close ends what still runs.
func (o *session) Close() error {
	err := o.signal(unix.SIGKILL)
	<-o.ended
	return err
}

// signal goes to the program and to all that it has started.
func (o *session) signal(s unix.Signal) error {
	if o.hasEnded() {
		return nil
	}
	return unix.Kill(-o.cmd.Process.Pid, s)
}
