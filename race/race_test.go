//go:build unix

package race

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fdrace/internal/engine"
)

// openFDs counts the descriptors of this process.
func openFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// accepted returns a listener's target and its connections.
func accepted(t *testing.T, network, address string) (Target, <-chan net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	conns, done := make(chan net.Conn, 1), make(chan bool)
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			conns <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	if network == "unix" {
		return Target{Host: "unix:" + address}, conns
	}
	return Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)}, conns
}

// However a Winner is taken, there is one descriptor, and one owner of it.
func TestWinnerOwnsOneDescriptor(t *testing.T) {
	for name, take := range map[string]func(*Winner) (io.Closer, error){
		"Conn":  func(w *Winner) (io.Closer, error) { return w.Conn() },
		"File":  func(w *Winner) (io.Closer, error) { return w.File() },
		"Close": func(w *Winner) (io.Closer, error) { return io.NopCloser(nil), w.Close() },
	} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(name+" of "+network, func(t *testing.T) {
				address := "127.0.0.1:0"
				if network == "unix" {
					address = filepath.Join(t.TempDir(), "s")
				}
				target, conns := accepted(t, network, address)
				before := openFDs(t)
				w, err := new(Dialer).Dial(context.Background(), target)
				if err != nil {
					t.Fatal(err)
				}
				peer := <-conns
				c, err := take(w)
				if err != nil {
					t.Fatal(err)
				}
				for _, again := range []func() error{
					func() error { _, err := w.Conn(); return err },
					func() error { _, err := w.File(); return err },
				} {
					if err := again(); !errors.Is(err, os.ErrClosed) {
						t.Errorf("taken again: %v", err)
					}
				}
				if err := errors.Join(w.Close(), c.Close()); err != nil {
					t.Error(err)
				}
				if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the connection ends with %v, want EOF", err)
				}
				peer.Close()
				if now := openFDs(t); now != before {
					t.Errorf("%d descriptors, %d before", now, before)
				}
			})
		}
	}
}

// What a Winner reports of a socket that is not reached by IP.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	target, conns := accepted(t, "unix", path)
	w, err := new(Dialer).Dial(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	(<-conns).Close()
	if w.Socket != "unix:"+path || w.Addr.IsValid() || w.Transport != "unix" || w.String() != w.Socket {
		t.Errorf("%+v", w.Candidate)
	}
	c, err := w.Conn()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := c.(*net.UnixConn); !ok {
		t.Errorf("Conn is a %T", c)
	}
}

// An error of the engine becomes one of this package, with all that it says.
func TestErrors(t *testing.T) {
	box, alias := engine.Target{Host: "box", Port: 22}, engine.Target{Host: "alias", Port: 22}
	late := engine.Failure{
		Candidate: engine.Candidate{Target: box, Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("192.0.2.1:22")}, Interface: "eth0", Transport: "tcp"},
		Also:      []engine.Target{alias}, Attempts: 3, Err: context.DeadlineExceeded, At: 2,
	}
	nameless := engine.Failure{Candidate: engine.Candidate{Target: alias}, Family: engine.IPv4, Err: io.ErrUnexpectedEOF}
	err := newError(&engine.Error{Cause: context.DeadlineExceeded, Elapsed: 2, Failures: []engine.Failure{late, nameless}})
	var lost *Error
	if !errors.As(err, &lost) {
		t.Fatalf("a %T", err)
	}
	want := &Error{Cause: context.DeadlineExceeded, Elapsed: 2, Failures: []Failure{{
		Candidate: Candidate{Target: Target(box), Addr: netip.MustParseAddrPort("192.0.2.1:22"), Interface: "eth0", Transport: "tcp"},
		Also:      []Target{Target(alias)}, Attempts: 3, Err: context.DeadlineExceeded, At: 2,
	}, {Candidate: Candidate{Target: Target(alias)}, Family: IPv4, Err: io.ErrUnexpectedEOF}}}
	if !reflect.DeepEqual(lost, want) {
		t.Errorf("%+v, want %+v", lost, want)
	}
	for _, cause := range []error{context.DeadlineExceeded, io.ErrUnexpectedEOF} {
		if !errors.Is(err, cause) {
			t.Errorf("%v is not %v", err, cause)
		}
	}
	if s := lost.Failures[0].Error(); s != "192.0.2.1:22 over tcp from eth0: context deadline exceeded" {
		t.Error(s)
	}
	d := Dialer{Delay: 1}
	if _, err := d.Dial(context.Background(), Target{"box", 22}); errors.As(err, &lost) || !strings.Contains(err.Error(), "Delay is 1ns: set") {
		t.Errorf("a field that is not valid: %v", err)
	}
}

// Every field of a Dialer reaches the engine.
func TestDialerFields(t *testing.T) {
	d := Dialer{
		Family: IPv6, Timeout: 1, Delay: 2, HeadStart: 3, NoRetry: true, Interface: "eth0", Bind: netip.IPv6Loopback(),
		Transports: []Transport{{Name: "x"}}, Interfaces: []Interface{{Name: "eth1", IPv4: true}}, OnEvent: func(Event) {},
	}
	own, engines := reflect.ValueOf(d), reflect.ValueOf(d.engine()).Elem()
	for i := range own.NumField() {
		name := own.Type().Field(i).Name
		if own.Field(i).IsZero() {
			t.Fatalf("this test sets no %s", name)
		}
		if name == "OnEvent" {
			name = "Report"
		}
		got := engines.FieldByName(name)
		if got.IsZero() || got.Kind() != reflect.Func && fmt.Sprint(got) != fmt.Sprint(own.Field(i)) {
			t.Errorf("the engine's %s is %v", name, got)
		}
	}
}
