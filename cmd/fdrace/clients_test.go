//go:build linux

package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A client that is not OpenSSH is told so, before any server sees a connection. libssh
// hands its helper a socket pair, as OpenSSH does, in which its banner is already;
// others a pair of pipes.
func TestOtherClients(t *testing.T) {
	program := build(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, tt := range []struct {
		name, banner, want string
	}{
		{"libssh", "SSH-2.0-libssh_0.10.6\r\n", "fdrace: this client does not support ProxyUseFdpass: "},
		{"pipes", "", `fdrace: stdout is not a socket: add "ProxyUseFdpass yes" to the Host block`},
	} {
		for _, prestart := range []string{"1", "0"} {
			log := t.TempDir() + "/log"
			cmd := exec.Command(program, "--", "127.0.0.1", port)
			if prestart == "0" {
				cmd.Args = []string{program, "--log", log, "--", "127.0.0.1", port}
			}
			cmd.Env = append(os.Environ(), "FDRACE_PRESTART="+prestart)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if tt.banner != "" {
				ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				ours, theirs := os.NewFile(uintptr(ends[0]), "ours"), os.NewFile(uintptr(ends[1]), "theirs")
				defer ours.Close()
				defer theirs.Close()
				if _, err := ours.WriteString(tt.banner); err != nil {
					t.Fatal(err)
				}
				cmd.Stdin, cmd.Stdout = theirs, theirs
			} else {
				cmd.Stdin, cmd.Stdout = strings.NewReader(""), new(strings.Builder)
			}
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.HasPrefix(stderr.String(), tt.want) || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("%s, FDRACE_PRESTART=%s: exit status %d, %s", tt.name, prestart, code, stderr.String())
			}
			if text, err := os.ReadFile(log); prestart == "0" && (err != nil || !strings.Contains(string(text), strings.TrimPrefix(tt.want, "fdrace: "))) {
				t.Errorf("%s: the log has %q, %v", tt.name, text, err)
			}
		}
	}
	l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Millisecond)) // it would be there by now
	if c, err := l.Accept(); err == nil {
		t.Errorf("the server has seen %v", c.RemoteAddr())
	}
}
