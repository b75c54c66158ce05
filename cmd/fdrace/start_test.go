//go:build linux

package main

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fdrace/cmd/internal/lab"
	"fdrace/internal/prestart"
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
	fdrace/cmd/internal/room fdrace/race/resolve
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for line, want := range map[string]int{
		"127.0.0.1": beforeGo, "--mptcp -- 127.0.0.1": beforeGo, "-4 -- 127.0.0.2 127.0.0.1": beforeGo,
		"localhost": quick, "-w 5 --mptcp 127.0.0.1": quick,
		"-w5 127.0.0.1": slow,
	} {
		cmd := exec.Command(program, append(strings.Fields(line), port)...)
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		r, err := lab.Run(cmd)
		if err != nil || r.FD < 0 {
			t.Fatal(err, r.Stderr)
		}
		os.NewFile(uintptr(r.FD), "passed").Close()
		got := beforeGo
		var more []string
		for text := range strings.Lines(r.Stderr) {
			f := strings.Fields(text)
			if len(f) < 2 || f[0] != "init" {
				t.Errorf("fdrace %s: says %s", line, text)
				continue
			}
			got = max(got, quick)
			if !slices.Contains(beforeTheRace, f[1]) {
				got = slow
				more = append(more, f[1])
			}
		}
		if want == beforeGo && prestart.Link == "" {
			want = quick
		}
		if got != want {
			t.Errorf("fdrace %s: the race was over at stage %d, want %d; initialized before it are now also %v", line, got, want, more)
		}
	}
}
