package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"fdrace/internal/rawsys"

	"golang.org/x/sys/unix"
)

// leave leaves n descriptors for the rest of the test.
func leave(t *testing.T, n int) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(next)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next + n), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
}

// With few descriptors a name waits for those before it, and not for the time at
// which a question is repeated.
func TestNamesFull(t *testing.T) {
	noLeak(t)
	live, _ := listener(t, "127.0.0.1")
	records := map[string]string{"last A": "127.0.0.1"}
	var targets []Target
	for i := range 40 {
		name := fmt.Sprintf("box%d", i)
		records[name+" A"] = fmt.Sprintf("127.0.1.%d", i)
		targets = append(targets, Target{name, 1})
	}
	targets = append(targets, Target{"last", live.Port})
	serveNames(t, "", "", records)
	leave(t, 12)
	w, err := (&Dialer{}).Dial(context.Background(), targets...)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	if w.Elapsed > 4*time.Second { // 4.5 s by repetition, 5 ms without
		t.Errorf("it took %v", w.Elapsed)
	}
}

// A file that cannot be opened for want of a descriptor is not a missing one: the
// name servers could lead to another machine.
func TestNamesFullFiles(t *testing.T) {
	noLeak(t)
	serveNames(t, "", "127.0.0.1 box\n", map[string]string{"box A": "127.0.0.9"})
	leave(t, 0)
	_, err := (&Dialer{Timeout: time.Second}).Dial(context.Background(), Target{"box", 1})
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("%v, want %v", err, unix.EMFILE)
	}
}

// What DNS calls a host does not reach a terminal unless a host can have that name.
func TestNamesControl(t *testing.T) {
	noLeak(t)
	serveNames(t, "", "", map[string]string{
		"_ssh._tcp.lab SRV":  "0,0,1/\x1b[31mred\x07.lab. 0,0,1/box.lab.",
		"_ssh._tcp.lab2 SRV": "0,0,1/\x1b[31mred\x07.lab.",
		"box.lab A":          "127.0.0.1",
	})
	for host, want := range map[string]string{"_ssh._tcp.lab": "connection refused", "_ssh._tcp.lab2": "not a host name"} {
		var events []string
		d := &Dialer{Report: func(e Event) { events = append(events, fmt.Sprint(e)) }}
		_, err := d.Dial(context.Background(), Target{host, 22})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
		if text := strings.Join(events, "\n"); strings.ContainsAny(text, "\x1b\x07") {
			t.Errorf("%s: %q", host, text)
		}
	}
}

// A message by TCP that is no answer is the last that comes.
func TestNamesGarbageByTCP(t *testing.T) {
	noLeak(t)
	serveNames(t, "options use-vc", "", map[string]string{})
	l, err := net.Listen("tcp", "127.0.0.53:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_, _ = c.Write([]byte{0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2})
			_, _ = c.Read(make([]byte, 64))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	rawsys.DNSPort = uint16(l.Addr().(*net.TCPAddr).Port)
	_, err = (&Dialer{Timeout: 5 * time.Second, Family: IPv4}).Dial(context.Background(), Target{"box", 22})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.53 sent a malformed answer") {
		t.Error(err)
	}
}
