package resolve

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A place is another network namespace, which exists as long as it is open.
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

// do calls f in p. Sockets that f makes stay there. Goroutines that it starts are
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

// ip runs ip(8) commands, each a line without the word "ip".
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

// meet makes two links to a place, e0 to its f0 and e1 to its f1. f0 has the MAC
// address testMAC, the link-local address fe80::65, which is not formed from it, and
// 192.168.1.65; f1 has no address. The names and indexes are the same in all tests, as
// package net remembers them, and differ at both ends: otherwise the kernel may take a
// second to report the carrier.
func meet(t *testing.T) (far place) {
	t.Helper()
	needNetwork(t)
	far = newPlace(t)
	there := fmt.Sprintf("netns /proc/%d/fd/%d", os.Getpid(), far.Fd())
	t.Cleanup(func() {
		if err := ip("link delete e0", "link delete e1"); err != nil {
			t.Error(err)
		}
	})
	err := errors.Join(
		ip("link add e0 index 11 address 02:00:00:00:00:01 type veth peer name f0 index 21 address "+testMAC.String()+" "+there,
			"link add e1 index 12 address 02:00:00:00:00:02 type veth peer name f1 index 22 "+there),
		far.ip("link set f0 addrgenmode none up", "link set f1 addrgenmode none up",
			"address add fe80::65/64 dev f0 nodad",
			"address add 192.168.1.65/24 dev f0"),
		ip("link set e0 addrgenmode none up", "link set e1 addrgenmode none up",
			"address add fe80::1/64 dev e0 nodad",
			"address add fe80::1/64 dev e1 nodad",
			"address add 192.168.1.1/24 dev e0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(awaitMulticast(), far.do(awaitMulticast)); err != nil {
		t.Fatal(err)
	}
	return far
}

// awaitMulticast waits until both links can send IPv6 multicasts: some time after
// they are up, the kernel adds the routes.
func awaitMulticast() error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		out, err := exec.Command("ip", "-6", "route", "show", "table", "local", "type", "multicast").Output()
		if err != nil || strings.Count(string(out), "ff00::/8 dev ") == 2 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("no route for multicasts: %s", out)
		}
	}
}
