//go:build unix

package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell is a command that a shell runs. started has its process.
func shell(script string, started *[]int) Command {
	return Command{Name: script, Target: Target{"box", 22}, Start: func(stdio int) (int, error) {
		pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{
			Env: os.Environ(), Files: []uintptr{uintptr(stdio), uintptr(stdio), 2},
		})
		if err == nil && started != nil {
			*started = append(*started, pid)
		}
		return pid, err
	}}
}

// openFDs counts the descriptors of this process.
func openFDs(t *testing.T) int {
	t.Helper()
	return len(list(t))
}

func list(t *testing.T) []string {
	t.Helper()
	fds, err := filepath.Glob("/dev/fd/*")
	if err != nil || len(fds) == 0 {
		t.Skip("no /dev/fd")
	}
	return fds
}

// noChildren fails if one of pids is there still, be it as a zombie. Those that a
// race has told to end may take a moment: wait for them.
func noChildren(t *testing.T, pids []int, ended bool) {
	t.Helper()
	for _, pid := range pids {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, unix.ECHILD): // somebody has waited for it
		case ended:
			t.Errorf("process %d is there still: %d, %v", pid, got, err)
		}
	}
}

// The winner's end of the pair is a connection, and its process is left alone.
func TestCommandWins(t *testing.T) {
	before := openFDs(t)
	var pids []int
	d := Dialer{Commands: []Command{shell(`printf 'SSH-2.0-x\r\n'; exec cat`, &pids)}}
	w, err := d.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if w.Addr.Command != &d.Commands[0] || w.Transport != "command" {
		t.Errorf("%+v", w)
	}
	f := os.NewFile(uintptr(w.FD), "connection")
	fmt.Fprint(f, "hello")
	want := "SSH-2.0-x\r\nhello"
	got := make([]byte, len(want))
	for n := 0; n < len(want); {
		m, err := f.Read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	if string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	f.Close()
	noChildren(t, pids, false)
	if now := openFDs(t); now != before {
		t.Errorf("%d descriptors before, %d after", before, now)
	}
}

func TestCommandFails(t *testing.T) {
	for script, want := range map[string]string{
		"exit 3":                          "exited with status 3 without a connection",
		"kill -15 $$":                     "ended by signal 15 without a connection",
		"kill -9 $$":                      "ended by signal 9 without a connection",
		`echo "Hello  you"; exec sleep 5`: `not an SSH server: it said "Hello  you"`,
		`printf '\033[1mSSH-2.0'`:         `not an SSH server: it said "?[1mSSH-2.0"`,
		"printf SS; exit 4":               "exited with status 4 without a connection",
		"exec <&- >&-; exec sleep 5":      "closed its stdout without a connection",
		"/no/such/program 2>/dev/null":    "exited with status 127 without a connection",
	} {
		before := openFDs(t)
		var pids []int
		_, err := (&Dialer{Commands: []Command{shell(script, &pids)}}).Dial(context.Background())
		var lost *Error
		if !errors.As(err, &lost) || len(lost.Failures) != 1 || lost.Failures[0].Err.Error() != want {
			t.Errorf("%s: %v; want %s", script, err, want)
		}
		noChildren(t, pids, true)
		if now := openFDs(t); now != before {
			t.Errorf("%s: %d descriptors before, %d after", script, before, now)
		}
	}
}

// A banner that comes in pieces, and not at once.
func TestCommandInPieces(t *testing.T) {
	var pids []int
	script := `for c in S S H - 2; do printf $c; sleep 0.03; done; exec cat`
	w, err := (&Dialer{Commands: []Command{shell(script, &pids)}}).Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	noChildren(t, pids, false)
}

// If the race ends without a winner, nothing that it has started is left.
func TestCommandIsKilled(t *testing.T) {
	var pids []int
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	d := Dialer{Commands: []Command{shell("trap '' TERM; exec sleep 60", &pids)}}
	began := time.Now()
	if _, err := d.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	noChildren(t, pids, true)
}

// One that asks for a passphrase restores the terminal before it ends.
func TestCommandEndsByItself(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := unix.Mkfifo("ready", 0o600); err != nil {
		t.Fatal(err)
	}
	ready, err := os.OpenFile("ready", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // until the trap is there
		_, _ = ready.Read(make([]byte, 1))
		cancel()
	}()
	var pids []int
	d := Dialer{Commands: []Command{shell(`trap 'echo >restored; exit' TERM; echo >ready; while :; do sleep 0.01; done`, &pids)}}
	if _, err := d.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	noChildren(t, pids, true)
	if _, err := os.Stat("restored"); err != nil {
		t.Errorf("it was killed at once: %v", err)
	}
}

// Whatever the order of things, no descriptor and no process is left.
func TestRandomCommands(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it accepts nothing
	target := Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)}
	scripts := []string{"exit 1", "echo junk", "exec sleep 60", "printf SSH-; exec sleep 60", "trap '' TERM; sleep 0.05; printf SSH-; exec sleep 60", "sleep 0.02; exit 2"}
	before := openFDs(t)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		var pids []int
		d := Dialer{Fallback: time.Duration(r.IntN(40)+1) * time.Millisecond, Timeout: 300 * time.Millisecond}
		for range r.IntN(4) + 1 {
			d.Commands = append(d.Commands, shell(scripts[r.IntN(len(scripts))], &pids))
		}
		var targets []Target
		switch r.IntN(3) {
		case 0:
			targets = []Target{target}
			d.HeadStart = time.Duration(r.IntN(20)) * time.Millisecond
		case 1:
			targets = []Target{{"127.0.0.1", 1}} // nobody
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(400)+1)*time.Millisecond)
		w, err := d.Dial(ctx, targets...)
		cancel()
		if w != nil {
			unix.Close(w.FD)
			for _, pid := range pids {
				_ = unix.Kill(pid, unix.SIGKILL) // as the session's end would
			}
		}
		noChildren(t, pids, err != nil)
		if now := openFDs(t); now != before {
			var names []string
			for _, c := range d.Commands {
				names = append(names, c.Name)
			}
			t.Fatalf("seed %d, %s: %d descriptors before, %d after", seed, strings.Join(names, "; "), before, now)
		}
	}
}
