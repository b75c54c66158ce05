//go:build unix

package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fdrace/fdpass"
	"fdrace/internal/engine"

	"golang.org/x/sys/unix"
)

// pair returns what ssh and its helper have: the two ends of a socket pair.
func pair(t *testing.T) (ssh, helper int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// ask returns the options of a line that FastParse reads.
func ask(t *testing.T, line string) *Options {
	t.Helper()
	o, ok := FastParse(strings.Fields(line))
	if !ok {
		t.Fatalf("fdrace %s: not for FastParse", line)
	}
	return o
}

// logTo has o write its log to a file, and returns what is in it.
func logTo(t *testing.T, o *Options) (text func() string) {
	t.Helper()
	o.Log = filepath.Join(t.TempDir(), "log")
	t.Cleanup(func() {
		if logFile >= 0 {
			unix.Close(logFile)
			logFile = -1
		}
	})
	return func() string {
		b, err := os.ReadFile(o.Log)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// Which connection ssh gets, and what the log has of it.
func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, flags := range []string{"", "-v", "--mptcp -vv", "--delay 20ms"} {
		ssh, fd := pair(t)
		o := ask(t, flags+" -- 127.0.0.1 "+port)
		log := logTo(t, o)
		if err := run(t.Context(), o, fd); err != nil {
			t.Fatalf("%s: %v", flags, err)
		}
		passed, err := fdpass.Receive(ssh)
		if err != nil {
			t.Fatalf("%s: %v", flags, err)
		}
		sa, err := unix.Getpeername(passed)
		if in, ok := sa.(*unix.SockaddrInet4); err != nil || !ok || fmt.Sprint(in.Port) != port {
			t.Errorf("%s: passed a connection to %+v, %v", flags, sa, err)
		}
		unix.Close(passed)
		if text := log(); !strings.Contains(text, "start 127.0.0.1:"+port) || !strings.Contains(text, ", 1 of 1 tried") {
			t.Errorf("%s: the log has\n%s", flags, text)
		}
		unix.Close(logFile)
		logFile = -1
	}
}

// What a race comes to that passes nothing: the exit status, and the first line.
func TestOutcome(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close() // now nobody listens there
	ssh, fd := pair(t)
	libssh, banner := pair(t)
	if _, err := unix.Write(libssh, []byte("SSH-2.0-libssh_0.10.6\r\n")); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tt := range []struct {
		line string
		fd   int
		code int
		want string
	}{
		{"127.0.0.1 " + port, fd, exitNothingReachable, "fdrace: no connection to 127.0.0.1:" + port + ": connection refused"},
		{"127.0.0.1 " + port, int(null.Fd()), exitNotPassed, "fdrace: stdout is not a socket: "},
		{"127.0.0.1 " + port, banner, exitNotPassed, "fdrace: this client does not support ProxyUseFdpass: "},
		{"127.0.0.1 0", fd, exitUsage, `fdrace: port "0" is not a number from 1 to 65535`},
		{"-w 0 127.0.0.1", fd, exitUsage, "fdrace: --timeout 0: a race needs time"},
	} {
		code, lines := outcome(run(t.Context(), ask(t, tt.line), tt.fd))
		if code != tt.code || len(lines) == 0 || !strings.HasPrefix(lines[0], tt.want) {
			t.Errorf("fdrace %s: exit status %d, %q", tt.line, code, lines)
		}
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(ssh), Events: unix.POLLIN}}, 0); n != 0 || err != nil {
		t.Errorf("something was written to ssh: %d, %v", n, err)
	}
	for _, tt := range []struct {
		err  error
		code int
	}{{nil, 0}, {Exit(7), 7}, {fmt.Errorf("wrapped: %w", Exit(1)), 1}} {
		if code, lines := outcome(tt.err); code != tt.code || lines != nil {
			t.Errorf("%v: %d, %q", tt.err, code, lines)
		}
	}
	if code, lines := outcome(errors.New("x\x1b")); code != 1 || lines[0] != "fdrace: x?" {
		t.Errorf("%d, %q", code, lines)
	}
}

// A socket that cannot be passed any more is an error of its own.
func TestRunWhenSSHIsGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ssh, fd := pair(t)
	unix.Close(ssh)
	code, lines := outcome(run(context.Background(), ask(t, "127.0.0.1 "+port), fd))
	if code != exitNotPassed {
		t.Errorf("exit status %d, %q", code, lines)
	}
}

func TestLog(t *testing.T) {
	o := &Options{}
	log := logTo(t, o)
	logLine("fdrace: nobody listens")
	o.openLog()
	logLine("fdrace: one\x1b", "  two")
	if got := strings.Split(log(), "\n"); len(got) != 3 || !strings.HasSuffix(got[0], fmt.Sprintf(" fdrace[%d]: one?", os.Getpid())) || !strings.HasSuffix(got[1], ":   two") {
		t.Errorf("%q", got)
	}
	for line, want := range map[string]string{
		"--log a --fast": "a", "--fast --log=b=c": "b=c", "--fast -- --log d": "", "--log": "", "--logs a": "", "": "",
	} {
		if got := logOf(strings.Fields(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	bad := &Options{Log: t.TempDir() + "/nowhere/log"}
	unix.Close(logFile)
	logFile = -1
	if bad.openLog(); logFile >= 0 {
		t.Error("a log in a directory that is not there")
	}
}

// What FastParse takes, with what it makes of it; "" if it is for kong.
func TestFastParse(t *testing.T) {
	for line, want := range map[string]string{
		"box 22":                       "words box 22",
		"-- -box":                      "words -box",
		"-4 --mptcp -vv -- box":        "words box ipv4 mptcp verbose 2",
		"-6 --banner --no-retry box":   "words box ipv6 banner",
		"-w 5 -p 23 --delay=100ms box": "words box port 23 timeout 5s delay 100ms",
		"--head-start 1.5 a b":         "words a b head 1.5s",
		"--proxy a --proxy=b --jump c --or d --fallback 2 --proxy-auth f --no-direct --names-only -b 127.0.0.1 -B lo --require-mptcp --verbose x": "words x verbose 1 proxy a,b jump c or d",
		"-4 -6 box":      "",
		"-w":             "",
		"-w soon box":    "",
		"-w 1 -w 2 box":  "",
		"-w5 box":        "",
		"--timeout= box": "",
		"-p -4 box":      "",
		"--fast box":     "",
		"box -4":         "",
		"":               "",
		"--":             "",
	} {
		o, ok := FastParse(strings.Fields(line))
		if !ok {
			if want != "" {
				t.Errorf("fdrace %s: not read", line)
			}
			continue
		}
		got := "words " + strings.Join(o.Words, " ")
		for _, part := range []struct {
			is   bool
			text string
		}{
			{o.IPv4, "ipv4"}, {o.IPv6, "ipv6"}, {o.MPTCP, "mptcp"}, {o.Banner, "banner"},
			{o.Port != nil, "port " + portText(o.Port)}, {o.Timeout != nil, "timeout " + o.Timeout.or(0).String()},
			{o.Delay != nil, "delay " + o.Delay.or(0).String()}, {o.HeadStart != nil, "head " + o.HeadStart.or(0).String()},
			{o.Verbose > 0, fmt.Sprint("verbose ", o.Verbose)}, {len(o.Proxy) > 0, "proxy " + strings.Join(o.Proxy, ",")},
			{len(o.Jump) > 0, "jump " + strings.Join(o.Jump, ",")}, {len(o.Or) > 0, "or " + strings.Join(o.Or, ",")},
		} {
			if part.is {
				got += " " + part.text
			}
		}
		if got != want {
			t.Errorf("fdrace %s: %s, want %s", line, got, want)
		}
	}
}

func portText(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Every flag of a race reaches the Dialer, and what does not go together is an error.
func TestPlan(t *testing.T) {
	for line, want := range map[string]string{
		"-4 box":                        "IPv4 10s 250ms 0s invalid IP  false 0",
		"-6 -w 3 --delay 20ms box":      "IPv6 3s 20ms 0s invalid IP  false 0",
		"-b 127.0.0.1 -B lo box":        "any 10s 250ms 0s 127.0.0.1 lo false 0",
		"--banner --head-start 1 a b":   "any 10s 250ms 1s invalid IP  true 0",
		"--mptcp box":                   "any 10s 250ms 0s invalid IP  false 2",
		"--require-mptcp box":           "any 10s 250ms 0s invalid IP  false 1",
		"-w 0 box":                      "!--timeout 0: a race needs time",
		"--delay 5ms box":               "!--delay 5ms: write a time from",
		"-b box box":                    `!--bind-address "box": write an address`,
		"-b fe80::1 box":                "!--bind-address fe80::1: a link-local address needs its interface",
		"-4 -b ::1 box":                 "!--bind-address ::1 is not an IPv4 address",
		"-B nosuch0 box":                `!--interface "nosuch0": there is no such interface`,
		"box 22 vpn":                    `!"22": only one bare number`,
		"22":                            "!a target is missing",
		"-p ssh box":                    `!port "ssh" is not a number`,
		"--names-only unix:/x":          `!--names-only: "unix:/x" is not a host name`,
		"--no-direct box":               "!--no-direct leaves no way to the target",
		"--no-direct --or true a b":     "!--no-direct: only the first target is asked for",
		"--proxy-auth x box":            "!--proxy-auth is for a proxy",
		"--fallback 2s box":             "!--fallback is for --jump and --or",
		"--require-mptcp --or true box": "!--require-mptcp: what --or connects is not MPTCP",
		"-b 127.0.0.1 --or true box":    "!--bind-address does not reach the program that --or runs",
		"-B lo --jump a box":            "!--interface does not reach the program that --jump runs",
	} {
		_, d, err := ask(t, line).Plan()
		var got string
		if err != nil {
			got = "!" + err.Error()
		} else {
			family := "any"
			if d.Family != engine.AnyFamily {
				family = d.Family.String()
			}
			got = fmt.Sprint(family, " ", d.Timeout, " ", d.Delay, " ", d.HeadStart, " ", d.Bind, " ", d.Interface, " ", d.Banner == "SSH-", " ", len(d.Transports))
		}
		if !strings.HasPrefix(got, want) || want[0] != '!' && got != want {
			t.Errorf("fdrace %s: %s, want %s", line, got, want)
		}
	}
}
