//go:build linux

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fdrace/internal/lab"
	"fdrace/internal/prestart"

	"golang.org/x/sys/cpu"
)

// beforeTheRace are the packages with something to initialize that Go does so
// with before helper, where a common line is done with: ssh waits for them. One
// more is the price of an import. Is it worth it? (os/signal's is one assignment.)
var beforeTheRace = strings.Fields(`
	context encoding/base64 encoding/json errors go/doc go/scanner go/token
	golang.org/x/net/dns/dnsmessage golang.org/x/sys/unix internal/bytealg
	internal/godebug internal/lazyregexp internal/poll internal/runtime/gc/scan io/fs
	iter math net net/netip os os/signal path/filepath reflect regexp regexp/syntax
	runtime sync syscall time unicode vendor/golang.org/x/net/dns/dnsmessage
	fdrace/internal/stackgrow fdrace/internal/resolve
`)

// How far Go has got when the race is over.
const (
	beforeGo = iota // the runtime has not started
	quick           // helper's turn to be initialized has come
	slow            // main has begun
)

// TestStart guards the way to the race by what does not depend on the machine:
// how far Go has got, and what it initializes for a common line.
func TestStart(t *testing.T) {
	program := build(t)
	for line, want := range map[string]int{
		"127.0.0.1": beforeGo, "--mptcp -- 127.0.0.1": beforeGo, "-4 -- 127.0.0.2 127.0.0.1": beforeGo,
		"localhost": beforeGo, "-4 --mptcp localhost": beforeGo, "localhost 127.0.0.2 x.localhost": beforeGo,
		"-w 5 --mptcp 127.0.0.1": quick, "-w 5 localhost": quick,
		"-w5 127.0.0.1": slow,
	} {
		got, more := stage(t, nil, append([]string{program}, strings.Fields(line)...)...)
		if want == beforeGo && prestart.Link == "" {
			want = quick
		}
		if got != want {
			t.Errorf("fdrace %s: the race was over at stage %d, want %d; initialized before it are now also %v", line, got, want, more)
		}
	}
	if got, _ := stage(t, []string{"FDRACE_PRESTART=0"}, program, "127.0.0.1"); got != quick {
		t.Errorf("with FDRACE_PRESTART=0 the race was over at stage %d", got)
	}
}

// TestStartOtherwise has the program built in other ways: its entry works in all of
// them.
func TestStartOtherwise(t *testing.T) {
	if prestart.Link == "" {
		t.Skip("there is no entry of its own here")
	}
	for name, b := range map[string]struct{ env, flag, run string }{
		"cover":    {"", "-cover", ""},
		"checkptr": {"", "-gcflags=all=-d=checkptr", ""},
		"v3":       {"GOARCH=amd64 GOAMD64=v3", "", ""},
		"arm64":    {"GOARCH=arm64", "", "qemu-aarch64"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "v3" && !(cpu.X86.HasAVX2 && cpu.X86.HasBMI2 && cpu.X86.HasFMA) {
				t.Skip("not with this processor")
			}
			var argv []string
			if b.run != "" && runtime.GOARCH != name {
				path, err := exec.LookPath(b.run)
				if err != nil {
					t.Skip(err, " (Debian: apt install qemu-user)")
				}
				argv = append(argv, path)
			}
			program := filepath.Join(t.TempDir(), "fdrace")
			args := []string{"build", "-ldflags=" + prestart.Link, "-o", program}
			if b.flag != "" {
				args = append(args, b.flag)
			}
			cmd := exec.Command("go", append(args, "fdrace/cmd/fdrace")...)
			cmd.Env = append(os.Environ(), append(strings.Fields(b.env), "CGO_ENABLED=0")...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
			argv = append(argv, program)
			for _, target := range []string{"127.0.0.1", "localhost"} {
				if got, _ := stage(t, nil, append(argv, target)...); got != beforeGo {
					t.Errorf("%s: the race was over at stage %d", target, got)
				}
			}
			if got, _ := stage(t, []string{"FDRACE_PRESTART=0"}, append(argv, "127.0.0.1")...); got == beforeGo {
				t.Error("FDRACE_PRESTART=0 is not heeded")
			}
		})
	}
}

// stage runs a race to a port of this machine. It returns how far Go had got when it
// was over, and what it had initialized by then that is not in beforeTheRace.
func stage(t *testing.T, env []string, argv ...string) (got int, more []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := exec.Command(argv[0], append(argv[1:], port)...)
	cmd.Env = append(append(os.Environ(), "GODEBUG=inittrace=1"), env...)
	r, err := lab.Run(cmd)
	if err != nil || r.FD < 0 {
		t.Fatal(err, r)
	}
	os.NewFile(uintptr(r.FD), "passed").Close()
	for text := range strings.Lines(r.Stderr) {
		f := strings.Fields(text)
		if len(f) < 2 || f[0] != "init" {
			t.Errorf("%v: says %s", argv, text)
			continue
		}
		got = max(got, quick)
		if !slices.Contains(beforeTheRace, f[1]) {
			got = slow
			more = append(more, f[1])
		}
	}
	return got, more
}
