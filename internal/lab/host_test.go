//go:build linux

package lab

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

func output(t *testing.T, h *Host, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	wait, err := h.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out.String())
	}
	return out.String()
}

func TestHostsAreApart(t *testing.T) {
	noLeak(t)
	a, b := newTestHost(t, "a"), newTestHost(t, "b")
	var ln net.Listener
	listen := func() (err error) {
		ln, err = net.Listen("tcp", "127.0.0.1:22")
		return err
	}
	for _, h := range []*Host{a, b} { // the same port, twice
		if err := h.Do(listen); err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
	}
	if got := output(t, a, "ip", "-o", "link"); strings.Count(got, "\n") != 1 {
		t.Errorf("host a has more than lo:\n%s", got)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(output(t, a, "pwd")); got != dir {
		t.Errorf("commands start in %s, not %s", got, dir)
	}
}

func TestFile(t *testing.T) {
	noLeak(t)
	before, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	h := newTestHost(t, "h")
	for path, content := range defaultFiles {
		if _, err := os.Stat(path); err == nil && output(t, h, "cat", path) != content {
			t.Errorf("%s is that of this machine", path)
		}
	}
	for _, content := range []string{"first\n", "second\n"} {
		for _, path := range []string{"/etc/hosts", "/run/lab/made"} {
			if err := h.File(path, content); err != nil {
				t.Fatal(err)
			}
			if got := output(t, h, "cat", path); got != content {
				t.Errorf("%s in the host: %q", path, got)
			}
		}
	}
	if after, _ := os.ReadFile("/etc/hosts"); string(after) != string(before) {
		t.Error("the file of this machine was changed")
	}
	if st, err := os.Stat("/run/lab"); err == nil {
		t.Errorf("this machine has %v", st)
	}
}

func TestCloseKillsGrandchildren(t *testing.T) {
	needHosts(t)
	noLeak(t)
	h, err := NewHost("h")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "sleep 1000 & setsid sleep 1000 & echo ready; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	wait, err := h.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if pids, err := h.pids(); err != nil || len(pids) != 3 {
		t.Errorf("in the host: %v, %v", pids, err)
	}
	ended := make(chan error)
	go func() { ended <- wait() }()
	closeHost(t, h)
	if err := <-ended; err == nil {
		t.Error("the command was not killed")
	}
}

func TestEnter(t *testing.T) {
	needHosts(t)
	noLeak(t)
	t.Run("script", func(t *testing.T) { // its goroutine, and so its thread, ends with it
		h, err := Enter("here")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := h.IP("address add 192.0.2.1 dev lo"); err != nil {
			t.Fatal(err)
		}
		direct, err := exec.Command("ip", "address").CombinedOutput()
		if err != nil || !strings.Contains(string(direct), "192.0.2.1") {
			t.Errorf("a command started here is not inside: %v: %s", err, direct)
		}
		elsewhere := make(chan error)
		go func() {
			elsewhere <- h.Do(func() error {
				ln, err := net.Listen("tcp", "192.0.2.1:0")
				if err != nil {
					return err
				}
				return ln.Close()
			})
		}()
		if err := <-elsewhere; err != nil {
			t.Errorf("Do from another goroutine: %v", err)
		}
	})
	if ln, err := net.Listen("tcp", "192.0.2.1:0"); err == nil {
		ln.Close()
		t.Error("the rest of the test is inside, too")
	}
}

func TestDoThatDoesNotReturn(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	if err := h.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("no error")
	}
	gone := errors.New("gone")
	if err := h.Do(func() error { return gone }); err != gone {
		t.Errorf("got %v", err)
	}
}
