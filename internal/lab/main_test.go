//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noHosts is why this machine can have none.
var noHosts error

func needHosts(t testing.TB) {
	t.Helper()
	if noHosts != nil {
		t.Skip(noHosts)
	}
}

func needWire(t testing.TB) {
	t.Helper()
	needHosts(t)
	fd, err := openTUN()
	if err != nil {
		t.Skip(err)
	}
	unix.Close(fd)
}

func TestMain(m *testing.M) {
	if mode, address, ok := strings.Cut(os.Getenv(helperMode), " "); ok {
		os.Exit(helper(mode, address))
	}
	noHosts = Reexec()
	Exit(m.Run())
}

// newTestHost closes the host with the test, and then asks that nothing of it
// is left.
func newTestHost(t testing.TB, name string) *Host {
	t.Helper()
	needHosts(t)
	h, err := NewHost(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeHost(t, h) })
	return h
}

func closeHost(t testing.TB, h *Host) {
	t.Helper()
	inodes := map[string]bool{}
	for _, f := range []*os.File{h.net, h.mnt} {
		link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err != nil {
			t.Error(err)
		}
		inodes[link] = true
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "a namespace of host "+h.Name+" is held", func() string { return holders(inodes) })
}

// holders lists the threads and fds of this process that keep a namespace. Of
// other processes Close has seen that there are none; from then on the number
// may be that of somebody else's namespace.
func holders(inodes map[string]bool) string {
	var who []string
	for _, pattern := range []string{"/proc/self/task/*/ns/net", "/proc/self/task/*/ns/mnt", "/proc/self/fd/*"} {
		links, _ := filepath.Glob(pattern)
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && inodes[to] {
				who = append(who, link)
			}
		}
	}
	return strings.Join(who, " ")
}

// eventually waits for a thread or goroutine that is on its way out, whose end
// nothing announces.
func eventually(t testing.TB, complaint string, leftover func() string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		left := leftover()
		if left == "" {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: %s", complaint, left)
			return
		}
	}
}

// openFDs is /proc/self/fd as text, so that a difference names the fds.
func openFDs() map[string]string {
	fds := map[string]string{}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil {
			fds[link] = to
		}
	}
	return fds
}

// noLeak fails the test if at its end there are goroutines or fds that were
// not there when noLeak was called. Call it before anything else.
func noLeak(t *testing.T) {
	t.Helper()
	before, fds := runtime.NumGoroutine(), openFDs()
	t.Cleanup(func() {
		eventually(t, "goroutine left", func() string {
			if runtime.NumGoroutine() <= before {
				return ""
			}
			all := make([]byte, 1<<16)
			return string(all[:runtime.Stack(all, true)])
		})
		for fd, to := range openFDs() {
			if fds[fd] == "" {
				t.Errorf("left open: %s: %s", fd, to)
			}
		}
	})
}
