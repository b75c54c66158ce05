package resolve

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideEnv is set where a test has a network of its own.
const insideEnv = "FDRACE_RESOLVE_INSIDE"

// inside runs the test that calls it once more, as a process with a network of
// its own, and says whether this is that process. The other one has nothing
// left to do.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err, ": run `apt-get install iproute2`")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), insideEnv+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// The death of the thread that starts it is what Pdeathsig looks at.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip(err, ": run as root, or set what exists of `sysctl kernel.unprivileged_userns_clone=1`, "+
			"`sysctl kernel.apparmor_restrict_unprivileged_userns=0` and `sysctl user.max_user_namespaces=1000`")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	return false
}

// A place is another network, which lives as long as it is open.
type place struct{ *os.File }

func newPlace(t *testing.T) (p place) {
	t.Helper()
	err := onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			p.File, err = os.Open("/proc/thread-self/ns/net")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// do calls f there. Sockets that f makes stay there; goroutines it starts are
// here.
func (p place) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(p.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// onThread calls f on a thread that ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// ip runs lines of ip(8) commands here, each without the word "ip".
func ip(lines ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

func (p place) ip(lines ...string) error {
	return p.do(func() error { return ip(lines...) })
}

// meet makes two links to a place. By e0 it has the MAC address testMAC, the
// link-local address fe80::65, which is not made of it, and 192.168.1.65; by e1
// it has none.
func meet(t *testing.T) (far place) {
	t.Helper()
	far = newPlace(t)
	there := fmt.Sprintf("netns /proc/%d/fd/%d", os.Getpid(), far.Fd())
	ends := []string{"link set e0 addrgenmode none up", "link set e1 addrgenmode none up"}
	err := errors.Join(
		ip("link add e0 address 02:00:00:00:00:01 type veth peer name e0 address "+testMAC.String()+" "+there,
			"link add e1 address 02:00:00:00:00:02 type veth peer name e1 "+there),
		far.ip(append(ends,
			"address add fe80::65/64 dev e0 nodad",
			"address add 192.168.1.65/24 dev e0")...),
		ip(append(ends,
			"address add fe80::1/64 dev e0 nodad",
			"address add fe80::1/64 dev e1 nodad",
			"address add 192.168.1.1/24 dev e0")...))
	if err != nil {
		t.Fatal(err)
	}
	return far
}
