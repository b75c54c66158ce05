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

// TestStart guards the way to the race by what does not depend on the machine:
// what is initialized before it, and that neither kong nor main is.
func TestStart(t *testing.T) {
	program := build(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for line, quick := range map[string]bool{
		"127.0.0.1": true, "--mptcp -- 127.0.0.1": true, "-4 -w 5 -- 127.0.0.1": true,
		"-4w5 127.0.0.1": false,
	} {
		cmd := exec.Command(program, append(strings.Fields(line), port)...)
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		r, err := lab.Run(cmd)
		if err != nil || r.FD < 0 {
			t.Fatal(err, r.Stderr)
		}
		os.NewFile(uintptr(r.FD), "passed").Close()
		var more []string
		seen := 0
		for text := range strings.Lines(r.Stderr) {
			f := strings.Fields(text)
			if len(f) < 2 || f[0] != "init" {
				t.Errorf("fdrace %s: says %s", line, text)
				continue
			}
			seen++
			if !slices.Contains(beforeTheRace, f[1]) {
				more = append(more, f[1])
			}
		}
		if quick && len(more) > 0 {
			t.Errorf("fdrace %s: one more is initialized before the race: %s", line, more)
		}
		if seen == 0 || !quick && len(more) == 0 {
			t.Errorf("fdrace %s: GODEBUG=inittrace=1 does not show what it should", line)
		}
	}
}
