//go:build unix

package engine

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A program gets the connection as its stdin and stdout, and is ended when it has said
// enough; the winner is another connection.
func TestHostKeyProgram(t *testing.T) {
	const script = `read word; echo "the server says $word" >&2; exec sleep 60`
	for _, tt := range []struct{ says, want string }{{"right", ""}, {"wrong", "another machine"}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ended := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			c.Write([]byte(tt.says + "\n"))
			_, err = c.Read(make([]byte, 1))
			ended <- err
		}()
		pid := 0
		d := Dialer{HostKey: &HostKeyCheck{
			Known: func(p Peer, targets []Target, fd int) error {
				if _, err := unix.Getpeername(fd); err != nil || len(targets) != 1 || p.Addr.String() != l.Addr().String() {
					t.Errorf("%v, %v, %v", p, targets, err)
				}
				return ErrUnchecked
			},
			Start: func(_ Peer, conn, stderr int) (int, error) {
				var err error
				pid, err = syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{uintptr(conn), uintptr(conn), uintptr(stderr)}})
				return pid, err
			},
			Verdict: func(_ Peer, said string, ended bool) error {
				switch {
				case !strings.HasSuffix(said, "\n") && !ended:
					return ErrUnchecked
				case said == "the server says right\n":
					return nil
				}
				return errors.New("another machine")
			},
		}}
		w, err := d.Dial(context.Background(), Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)})
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Fatalf("%s: %v", tt.says, err)
		case err == nil:
			if w.Attempt != 2 {
				t.Errorf("attempt %d has won", w.Attempt)
			}
			unix.Close(w.FD)
		}
		if err := <-ended; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection of the program: %v", err)
		}
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("the program: %v", err)
		}
	}
}

// A program that cannot be started, and one that ends without a word.
func TestHostKeyProgramFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for program, want := range map[string]string{"/nonexistent/ssh": "no such file", "/bin/true": "ended without a word"} {
		d := Dialer{HostKey: &HostKeyCheck{
			Known: func(Peer, []Target, int) error { return ErrUnchecked },
			Start: func(_ Peer, conn, stderr int) (int, error) {
				return syscall.ForkExec(program, []string{program}, &syscall.ProcAttr{Files: []uintptr{uintptr(conn), uintptr(conn), uintptr(stderr)}})
			},
			Verdict: func(_ Peer, said string, ended bool) error {
				if said != "" || !ended {
					t.Errorf("%q, %v", said, ended)
				}
				return errors.New("ended without a word")
			},
		}}
		_, err := d.Dial(context.Background(), Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", program, err)
		}
	}
}
