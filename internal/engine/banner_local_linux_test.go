package engine

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fdrace/internal/resolve"
)

// localServer listens on a Unix-domain socket and hands over its first connection.
func localServer(t *testing.T) (resolve.Socket, <-chan *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *net.UnixConn, 1)
	done := make(chan bool)
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			conns <- c.(*net.UnixConn)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return resolve.Socket{Path: path}, conns
}

// A server on a Unix-domain socket, where SO_RCVLOWAT has no effect on poll(2), sends a
// line and then its banner: the race neither spins between the two nor takes the line
// for the last that the server says.
func TestKernelBannerInPartsOnUnixSocket(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*net.UnixConn)
		want string
	}{
		"banner":     {func(c *net.UnixConn) { c.Write([]byte("SSH-2.0-lab\r\n")) }, ""},
		"close":      {func(c *net.UnixConn) { c.Close() }, `the server said: "welcome"`},
		"half-close": {func(c *net.UnixConn) { c.CloseWrite() }, `the server said: "welcome"`},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			k, err := newKernel(context.Background(), &Dialer{Banner: "SSH-"}, &Started{})
			if err != nil {
				t.Fatal(err)
			}
			defer k.shut()
			to, conns := localServer(t)
			transport := &Transport{}
			fd, _, err := k.Connect(transport, Addr{Socket: to}, "")
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close(transport, fd)
			c := <-conns
			defer c.Close()
			expect := func(want error) {
				t.Helper()
				if err := k.Look(transport, fd); err != want {
					t.Fatalf("Look = %v, want %v", err, want)
				}
			}
			wait := func(until time.Duration, want int) {
				t.Helper()
				if n, err := k.Wait(until); err != nil || len(n.completions) != want {
					t.Fatalf("Wait = %+v, %v; want news of %d", n, err, want)
				}
			}
			expect(errNotYet)
			c.Write([]byte("welcome\r\n"))
			wait(time.Minute, 1)
			expect(errNotYet)
			wait(time.Minute, 1) // of the same line
			expect(errHalf)
			wait(0, 0) // not again
			tt.end(c)
			if tt.want != "" {
				wait(time.Minute, 1)
				if err := k.Look(transport, fd); !errors.Is(err, ErrNoBanner) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Look = %v, want %s", err, tt.want)
				}
				return
			}
			wait(0, 0) // it is for the race to look
			expect(nil)
		})
	}
}

// Such a server that says no more costs the timeout, and no other error.
func TestKernelHalfABannerOnUnixSocket(t *testing.T) {
	noLeak(t)
	to, conns := localServer(t)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		c := <-conns
		c.Write([]byte("welcome\r\n"))
		c.Read(make([]byte, 1))
		c.Close()
	}()
	t.Cleanup(func() { <-ended })
	looks := 0
	d := Dialer{Banner: "SSH-", Timeout: 100 * ms, Transports: []Transport{{Check: func(int) error { looks++; return nil }}}}
	w, err := d.Dial(context.Background(), Target{Host: "unix:" + to.Path})
	if !errors.Is(err, ErrNoBanner) || !errors.Is(err, context.DeadlineExceeded) || looks != 1 {
		t.Errorf("%+v, %v, after %d checks", w, err, looks)
	}
}
