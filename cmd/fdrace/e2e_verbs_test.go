//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// state is what a script has beside the lab's.
type state struct {
	env      *testscript.Env
	cables   int
	sshds    []*lab.SSHD
	others   []io.Closer         // the servers of e2e_servers_test.go
	sessions map[string]*session // of e2e_session_test.go
	daemons  map[string]daemon   // by program
	ready    time.Time           // of e2e_wait_test.go
	asleep   *sleeper
}

type stateKey struct{}

// verbs are those of the stories of a login, beside the lab's.
//
//	cable NAME                 joins near and far as the lab's link does, by
//	                           the kernel alone: no delay and no /dev/net/tun
//	file [far] PATH FILE       the near host, or the far one, has FILE at PATH
//	sshd [mptcp] [with=OPTION=VALUE...] ADDR:PORT...
//	                           starts an sshd of the far host
//	sshd stop                  ends all there are; sshd.log is complete
//	far WORD...                runs ip(8) in the far host, without the word "ip"
//	daemon PROG ARG...         starts PROG in the far host, where it stays
//	daemon kill PROG           ends it as a crash would
//	mdns NAME LINK ADDR... [group]
//	                           a responder of the far host, for its one name
//	inetd unix PATH            an sshd for each who connects to PATH
//	inetd vsock                the same on this machine's own CID, at $VSOCK
//	exits N ARG...             runs fdrace ARG... as ssh would, to end with
//	                           status N and without a word on stdout
//	races N|N/all ARG...       runs fdrace ARG... N times as ssh would, many or all at
//	                           once, and prints how long they took to win
//	soon PROG ARG...           runs PROG again and again, until it prints
//	signal NAME PROG           ends the PROG that runs on the near host
//	gone PROG                  none does any more, very soon
func verbs() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	for name, do := range map[string]func(*state, *testscript.TestScript, []string) error{
		"cable": (*state).cable, "file": (*state).file, "sshd": (*state).sshd,
		"far": (*state).far, "daemon": (*state).daemon, "mdns": (*state).mdns, "inetd": (*state).inetd,
		"exits": (*state).exits, "races": (*state).races, "soon": (*state).soon,
		"signal": (*state).signal, "gone": (*state).gone,
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

// patience is for what happens at once, on a machine that has much else to do.
const patience = 5 * time.Second

// eventually looks until there is nothing left to complain about.
func eventually(complaint func() (string, error)) error {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		what, err := complaint()
		if err != nil || what == "" {
			return err
		}
		if time.Now().After(end) {
			return errors.New(what)
		}
	}
}

// end stops the servers and asks that no process is left on the near host.
func (s *state) end() {
	t := s.env.T().(testing.TB)
	for _, d := range s.sshds {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, o := range s.others {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		return // the lab kills what is there
	}
	if err := eventually(func() (string, error) {
		left, err := processes("")
		if len(left) == 0 {
			return "", err
		}
		return fmt.Sprintf("processes left: %v", left), err
	}); err != nil {
		t.Error(err)
	}
}

func (s *state) cable(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: cable NAME")
	}
	s.cables++
	return lab.Cable(lab.NearHost(ts), lab.FarHost(ts), args[0], s.cables)
}

func (s *state) file(ts *testscript.TestScript, args []string) error {
	host := lab.NearHost(ts)
	if len(args) == 3 && args[0] == "far" {
		host, args = lab.FarHost(ts), args[1:]
	}
	if len(args) != 2 {
		return errors.New("usage: file [far] PATH FILE")
	}
	return host.File(args[0], ts.ReadFile(args[1]))
}

func (s *state) sshd(ts *testscript.TestScript, args []string) error {
	if len(args) == 1 && args[0] == "stop" {
		var err error
		for _, d := range s.sshds {
			err = errors.Join(err, d.Close(), d.Wait())
		}
		s.sshds = nil
		return err
	}
	multipath := len(args) > 0 && args[0] == "mptcp"
	if multipath {
		args = args[1:]
	}
	var options []string
	for len(args) > 0 && strings.HasPrefix(args[0], "with=") {
		options, args = append(options, strings.TrimPrefix(args[0], "with=")), args[1:]
	}
	if len(args) == 0 {
		return errors.New("usage: sshd [mptcp] [with=OPTION=VALUE...] ADDR:PORT..., or sshd stop")
	}
	far := lab.FarHost(ts)
	var at []netip.AddrPort
	for _, arg := range args {
		a, err := netip.ParseAddrPort(arg)
		if err != nil {
			return err
		}
		at = append(at, a)
		if a.Addr().IsUnspecified() || a.Addr().IsLinkLocalUnicast() {
			continue // the latter is a cable's
		}
		if err := far.Address(a.Addr()); err != nil {
			return err
		}
	}
	d, err := lab.StartSSHDWith(far, s.env.WorkDir, multipath, options, at...)
	if err != nil {
		return err
	}
	s.sshds = append(s.sshds, d)
	return nil
}

func (s *state) exits(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: exits N ARG...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.env.WorkDir, "bin/fdrace"), args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), s.env.Vars
	r, err := lab.Run(cmd)
	if err != nil {
		return err
	}
	fmt.Fprint(ts.Stderr(), r.Stderr)
	if r.FD >= 0 {
		unix.Close(r.FD)
		return fmt.Errorf("passed a connection to %v", r.Facts.Peer)
	}
	if r.Status != want || r.Extra != "" {
		return fmt.Errorf("exit status %d, %q on stdout: %s", r.Status, r.Extra, r.Stderr)
	}
	return nil
}

// races starts the races by themselves, not by the lab's race: so many are not
// to have the processor before the other stories' helpers.
func (s *state) races(ts *testscript.TestScript, args []string) error {
	atOnce := 16
	if len(args) < 2 {
		return errors.New("usage: races N ARG...")
	}
	words := args[0]
	if all, ok := strings.CutSuffix(words, "/all"); ok {
		words, atOnce = all, 1000
	}
	n, err := strconv.Atoi(words)
	if err != nil || n < 1 {
		return fmt.Errorf("%q races", args[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	env := append(slices.Clone(s.env.Vars), "XDG_RUNTIME_DIR="+ts.Getenv("XDG_RUNTIME_DIR"))
	one := func() (time.Duration, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(s.env.WorkDir, "bin/fdrace"), args[1:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), env
		h, err := lab.StartHelper(cmd)
		if err != nil {
			return 0, err
		}
		r, err := h.Wait()
		if err == nil && r.FD < 0 {
			err = errors.New(r.Stderr)
		}
		if err != nil {
			return 0, err
		}
		return r.ToFD, unix.Close(r.FD)
	}
	times, errs := make([]time.Duration, n), make([]error, n)
	var next atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range min(n, atOnce) {
		group.Go(func() {
			err := lab.NearHost(ts).Do(func() error {
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					times[i], errs[i] = one()
				}
				return nil
			})
			if err != nil {
				errs[0] = err
			}
		})
	}
	group.Wait()
	lab.Timed(ts, start)
	slices.Sort(times)
	for _, percent := range []int{50, 80, 95, 99} {
		fmt.Fprintf(ts.Stdout(), "p%d %dms\n", percent, times[n*percent/100].Milliseconds())
	}
	return errors.Join(errs...)
}

func (s *state) soon(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: soon PROG ARG...")
	}
	return eventually(func() (string, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), s.env.Vars
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, &said)
		}
		if len(out) > 0 {
			return "", nil
		}
		return "prints nothing", nil
	})
}

var signals = map[string]unix.Signal{"TERM": unix.SIGTERM, "INT": unix.SIGINT, "HUP": unix.SIGHUP, "KILL": unix.SIGKILL}

func (s *state) signal(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 || signals[args[0]] == 0 {
		return errors.New("usage: signal TERM|INT|HUP|KILL PROG")
	}
	running, err := processes(args[1])
	if err != nil || len(running) != 1 {
		return fmt.Errorf("%v run, %w", running, err)
	}
	fd, err := unix.PidfdOpen(running[0].pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, signals[args[0]], nil, 0); err != nil {
		return fmt.Errorf("pidfd_send_signal: %w", err)
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
	if n == 0 {
		return fmt.Errorf("%v still runs after %v, %w", running, patience, err)
	}
	return nil
}

func (s *state) gone(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: gone PROG")
	}
	return eventually(func() (string, error) {
		running, err := processes(args[0])
		if len(running) == 0 {
			return "", err
		}
		return fmt.Sprintf("%v still run", running), err
	})
}

// process is one that lives, and what it runs.
type process struct {
	pid int
	exe string
}

// processes lists those of the near host that run name, or anything.
func processes(name string) (list []process, err error) {
	here, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, link := range links {
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err != nil || pid == os.Getpid() {
			continue
		}
		if there, err := os.Readlink(link); err != nil || there != here {
			continue
		}
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && (name == "" || filepath.Base(exe) == name) {
			list = append(list, process{pid, exe})
		}
	}
	return list, err
}
