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

// initialized are the packages with something to initialize, which Go does before main:
// ssh waits for them. One more is the price of an import. Is it worth it?
// (os/signal's is one assignment, kong's a twentieth of a millisecond.)
var initialized = strings.Fields(`
	context encoding/base64 encoding/json errors github.com/alecthomas/kong go/doc
	go/scanner go/token golang.org/x/net/dns/dnsmessage golang.org/x/sys/unix
	internal/bytealg internal/godebug internal/lazyregexp internal/poll
	internal/runtime/gc/scan io/fs iter math net net/netip os os/signal path/filepath
	reflect regexp regexp/syntax runtime sync syscall time unicode
	vendor/golang.org/x/net/dns/dnsmessage fdrace/internal/stackgrow
	fdrace/internal/resolve
`)

// TestStart guards the way to the race by what does not depend on the machine:
// whether Go's runtime has started when the race is over, and what it has initialized.
func TestStart(t *testing.T) {
	program := build(t)
	for line, beforeGo := range map[string]bool{
		"127.0.0.1": true, "--mptcp -- 127.0.0.1": true, "-4 -- 127.0.0.2 127.0.0.1": true,
		"localhost": true, "-4 --mptcp localhost": true, "localhost 127.0.0.2 x.localhost": true,
		"-w 5 --mptcp 127.0.0.1": false, "-w 5 localhost": false, "-w5 127.0.0.1": false,
	} {
		got, packages := raceBeforeGo(t, nil, append([]string{program}, strings.Fields(line)...)...)
		if want := beforeGo && prestart.Link != ""; got != want {
			t.Errorf("fdrace %s: the race was over before Go's runtime: %v, want %v", line, got, want)
		}
		if !got && !slices.Contains(packages, "fdrace/internal/stackgrow") {
			t.Errorf("fdrace %s: the stack grows step by step", line)
		}
		for _, name := range packages {
			if !slices.Contains(initialized, name) {
				t.Errorf("fdrace %s: every race waits for the initialization of %s", line, name)
			}
		}
	}
	if before, _ := raceBeforeGo(t, []string{"FDRACE_PRESTART=0"}, program, "127.0.0.1"); before {
		t.Error("FDRACE_PRESTART=0 is not heeded")
	}
}

// TestStartOtherwise has the program built in other ways: its entry works in all of
// them.
func TestStartOtherwise(t *testing.T) {
	t.Parallel()
	if prestart.Link == "" {
		t.Skip("prestart has its entry on Linux on amd64 and arm64 only: run the test there")
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
				if before, _ := raceBeforeGo(t, nil, append(argv, target)...); !before {
					t.Errorf("%s: the runtime has started", target)
				}
			}
			if before, _ := raceBeforeGo(t, []string{"FDRACE_PRESTART=0"}, append(argv, "127.0.0.1")...); before {
				t.Error("FDRACE_PRESTART=0 is not heeded")
			}
		})
	}
}

// raceBeforeGo runs a race to a port of this machine, and reports whether it was over
// before Go's runtime had started, and which packages were initialized for it.
func raceBeforeGo(t *testing.T, env []string, argv ...string) (before bool, packages []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	// Where there is IPv6, localhost may be both.
	if l6, err := net.Listen("tcp", net.JoinHostPort("::1", port)); err == nil {
		defer l6.Close()
	}
	cmd := exec.Command(argv[0], append(argv[1:], port)...)
	cmd.Env = append(append(os.Environ(), "GODEBUG=inittrace=1"), env...)
	r, err := lab.Run(cmd)
	if err != nil || r.FD < 0 {
		t.Fatal(err, r)
	}
	os.NewFile(uintptr(r.FD), "passed").Close()
	for text := range strings.Lines(r.Stderr) {
		if f := strings.Fields(text); len(f) > 1 && f[0] == "init" {
			packages = append(packages, f[1])
		} else if !strings.Contains(text, "GOCOVERDIR") {
			t.Errorf("%v: says %s", argv, text)
		}
	}
	return len(packages) == 0, packages
}
