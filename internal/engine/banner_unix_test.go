//go:build unix

package engine

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// server accepts one connection, says each of words with a pause for the
// reader between them, and keeps the connection open until the test ends.
func server(t *testing.T, words ...string) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for _, w := range words {
			if w == "FIN" {
				c.(*net.TCPConn).CloseWrite()
				continue
			}
			if w == "RST" {
				c.(*net.TCPConn).SetLinger(0)
				return
			}
			c.Write([]byte(w))
			// Let the racer look at what is there before there is more.
			waitSent(t, c.(*net.TCPConn))
		}
		c.Read(make([]byte, 1))
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)}
}

// waitSent yields until the peer's kernel has everything.
func waitSent(t *testing.T, c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for left := 1; left > 0; runtime.Gosched() {
		raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func TestKernelBanner(t *testing.T) {
	const hello = "SSH-2.0-lab\r\n"
	for _, tt := range []struct {
		name  string
		words []string
		want  string // what Dial fails with, "" for success
	}{
		{"at once", []string{hello}, ""},
		{"after other lines", []string{"welcome\r\nto the SSH- lab\r\n" + hello}, ""},
		{"in pieces", []string{"wel", "come\r\nS", "S", "H", "-2.0-lab\r\n"}, ""},
		{"never, and says nothing", nil, "no banner came: context deadline exceeded"},
		{"never, and says other things", []string{"220 mail\r\n"}, "no banner came: context deadline exceeded"},
		{"never, and closes", []string{"FIN"}, "no banner came: closed by the server"},
		{"never, and closes after a word", []string{"\r\n\x1b[1m220 \u202email\u009b\xff\r\n", "FIN"}, `the server said: "?[1m220 ?mail??"`},
		{"never, and resets after a word", []string{"Exceeded\tMaxStartups\r\n", "RST"}, `the server said: "Exceeded MaxStartups"`},
		{"never, and closes after many", []string{"\r\n" + strings.Repeat("é", 101) + "\n", "FIN"}, `the server said: "` + strings.Repeat("é", 98) + `..."`},
		{"never, and closes after none", []string{"\r\n \x00", "FIN"}, "no banner came: closed by the server"},
		{"never, and will not end", []string{strings.Repeat("x", maxBanner)}, "no banner came: 16384 bytes of something else"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeak(t)
			d := Dialer{Banner: "SSH-"}
			if strings.Contains(tt.want, "deadline") {
				d.Timeout = 200 * ms
			}
			w, err := d.Dial(context.Background(), server(t, tt.words...))
			if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNoBanner) {
				d.Timeout = 5000 * ms // a busy machine needs longer to connect
				w, err = d.Dial(context.Background(), server(t, tt.words...))
			}
			if tt.want != "" {
				var lost *Error
				if !errors.As(err, &lost) || len(lost.Failures) != 1 || !strings.Contains(lost.Failures[0].Error(), tt.want) || !errors.Is(err, ErrNoBanner) {
					t.Fatalf("%v, %v; want %q", w, err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(w.FD)
			got := make([]byte, 1024)
			n, err := unix.Read(w.FD, got)
			if err != nil || !strings.HasPrefix(strings.Join(tt.words, ""), string(got[:n])) {
				t.Errorf("the winner reads %q, %v", got[:max(n, 0)], err)
			}
			if low, _ := unix.GetsockoptInt(w.FD, unix.SOL_SOCKET, unix.SO_RCVLOWAT); low != 1 {
				t.Errorf("SO_RCVLOWAT of the winner is %d", low)
			}
			if l, err := unix.GetsockoptLinger(w.FD, unix.SOL_SOCKET, unix.SO_LINGER); err != nil || l.Onoff != 0 {
				t.Errorf("SO_LINGER of the winner is %+v, %v", l, err)
			}
		})
	}
}
