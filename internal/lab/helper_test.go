//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helperMode is in the environment of this binary when it is run as a helper.
const helperMode = "LAB_TEST_HELPER"

// helper is a ProxyCommand, good or bad, for the server at an address; it
// returns its exit status.
func helper(mode, address string) int {
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		panic(err)
	}
	pass := func(data string, n int) {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = int(f.Fd())
		}
		if err := unix.Sendmsg(1, []byte(data), unix.UnixRights(fds...), nil, 0); err != nil {
			panic(err)
		}
	}
	switch mode {
	case "good":
		pass("\x00", 1)
	case "chatty":
		fmt.Println("hello")
		pass("\x00", 1)
	case "two":
		pass("\x00", 2)
	case "twice":
		pass("\x00", 1)
		pass("\x00", 1)
	case "wordy":
		pass("\x00more", 1)
	case "sorry":
		fmt.Fprintln(os.Stderr, "no way")
		return 3
	case "patient":
		fmt.Fprintln(os.Stderr, "waiting")
		unix.Poll([]unix.PollFd{{Fd: 0}}, -1)
		return 5
	}
	return 0
}

func helperCommand(ctx context.Context, t *testing.T, mode string) *exec.Cmd {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), helperMode+"="+mode+" "+ln.Addr().String(), "GORACE=atexit_sleep_ms=0")
	return cmd
}

func TestRun(t *testing.T) {
	noLeak(t)
	for _, c := range []struct {
		mode   string
		fd     bool
		status int
		stderr string
		extra  string
	}{
		{mode: "good", fd: true},
		{mode: "chatty", extra: "hello\n\x00[a descriptor]"}, // ssh gives up at the h
		{mode: "two", fd: true, extra: "[a descriptor]"},
		{mode: "twice", fd: true, extra: "\x00[a descriptor]"},
		{mode: "wordy", fd: true, extra: "more"},
		{mode: "sorry", status: 3, stderr: "no way\n"},
	} {
		r, err := Run(helperCommand(t.Context(), t, c.mode))
		if err != nil {
			t.Errorf("%s: %v", c.mode, err)
			continue
		}
		if (r.FD >= 0) != c.fd || r.Status != c.status || r.Stderr != c.stderr || r.Extra != c.extra {
			t.Errorf("%s: %+v", c.mode, r)
		}
		if c.fd != (r.ToFD > 0) || r.ToExit < r.ToFD {
			t.Errorf("%s: descriptor after %v, exit after %v", c.mode, r.ToFD, r.ToExit)
		}
		if c.fd {
			if r.Facts.Peer.Addr().String() != "127.0.0.1" || r.Facts.Protocol != unix.IPPROTO_TCP {
				t.Errorf("%s: %v", c.mode, r.Facts)
			}
			unix.Close(r.FD)
		}
	}
}

func TestHangUp(t *testing.T) {
	noLeak(t)
	h, err := StartHelper(helperCommand(t.Context(), t, "patient"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.HangUp(); err != nil {
		t.Error(err)
	}
	if r, err := h.Wait(); err != nil || r.Status != 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunIsBounded(t *testing.T) {
	noLeak(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r, err := Run(helperCommand(ctx, t, "patient")); err != nil || r.Status != -1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunIgnoresSIGPIPE(t *testing.T) {
	noLeak(t)
	r, err := Run(exec.Command("sh", "-c", "kill -PIPE $$; echo alive >&2"))
	if err != nil || r.Stderr != "alive\n" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := Run(exec.Command("/no/such/program")); err == nil {
		t.Error("no error")
	}
}

func TestFacts(t *testing.T) {
	noLeak(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	if err := unix.Close(pair[1]); err != nil {
		t.Fatal(err)
	}
	f, err := Examine(pair[0])
	if err != nil || !f.NonBlocking || f.Poll&unix.POLLHUP == 0 || f.Protocol != 0 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, want := range []string{"hangup true\n", "nonblocking true\n", "keepalive false\n", "device \n"} {
		if !strings.Contains(f.String(), want) {
			t.Errorf("no %q in\n%s", want, f)
		}
	}
}
