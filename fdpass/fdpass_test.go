//go:build unix

package fdpass

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pair returns the two ends of a socket as ssh makes it for its helper.
func pair(t *testing.T) (ssh, helper int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// pipe returns a pipe whose ends are the test's to close.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// openFDs counts what this process has open, so that a leak shows.
func openFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestPass(t *testing.T) {
	ssh, helper := pair(t)
	r, w := pipe(t)
	before := openFDs(t)
	if err := Send(helper, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	fd, err := Receive(ssh)
	if err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("F_GETFD of the received descriptor: %#x, %v; want FD_CLOEXEC", flags, err)
	}
	if _, err := unix.Write(fd, []byte("through")); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	w.Close()
	if got, _ := io.ReadAll(r); string(got) != "through" {
		t.Errorf("read %q", got)
	}
	if after := openFDs(t); after != before-1 { // w is closed
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

// What ssh reads is one byte, and it is NUL.
func TestSendIsOneByte(t *testing.T) {
	ssh, helper := pair(t)
	r, _ := pipe(t)
	if err := Send(helper, int(r.Fd())); err != nil {
		t.Fatal(err)
	}
	unix.Close(helper)
	got := make([]byte, 16)
	n, _, _, _, err := unix.Recvmsg(ssh, got, nil, 0)
	if err != nil || !bytes.Equal(got[:n], []byte{0}) {
		t.Errorf("ssh reads %q, %v", got[:n], err)
	}
	if n, err := unix.Read(ssh, got); n != 0 || err != nil {
		t.Errorf("then it reads %q, %v", got[:max(n, 0)], err)
	}
}

func TestSendToNobody(t *testing.T) {
	ssh, helper := pair(t)
	r, _ := pipe(t)
	unix.Close(ssh)
	if err := Send(helper, int(r.Fd())); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Send = %v, want EPIPE", err)
	}
}

// A full socket makes Send wait until there is room, whether or not it blocks.
func TestSendWaits(t *testing.T) {
	for _, nonblock := range []bool{true, false} {
		testSendWaits(t, nonblock)
	}
}

func testSendWaits(t *testing.T, nonblock bool) {
	ssh, helper := pair(t)
	filled := fill(t, helper)
	if err := unix.SetNonblock(helper, nonblock); err != nil {
		t.Fatal(err)
	}
	r, _ := pipe(t)
	sent := make(chan error)
	go func() { sent <- Send(helper, int(r.Fd())) }()
	for buf := make([]byte, 4096); filled > 0; {
		n, err := unix.Read(ssh, buf[:min(len(buf), filled)])
		if err != nil {
			t.Fatal(err)
		}
		filled -= n
	}
	fd, err := Receive(ssh)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// waitWritable gives up in time, and Send with it, on a socket that blocks, too.
func TestSendIsBounded(t *testing.T) {
	_, helper := pair(t)
	fill(t, helper)
	if err := waitWritable(helper, 0); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no time left: %v", err)
	}
	if err := unix.SetNonblock(helper, false); err != nil {
		t.Fatal(err)
	}
	if err := send(helper, unix.UnixRights(helper)); err != unix.EAGAIN {
		t.Errorf("a full socket that blocks: %v, want EAGAIN", err)
	}
}

// fill writes to sock until it is full, and returns how much that was.
func fill(t *testing.T, sock int) (filled int) {
	t.Helper()
	if err := unix.SetNonblock(sock, true); err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); ; {
		n, err := unix.Write(sock, chunk)
		if err == unix.EAGAIN {
			return filled
		} else if err != nil {
			t.Fatal(err)
		}
		filled += n
	}
}

func TestReceiveRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		fds  int
		want string
	}{
		{"nothing", nil, 0, "unexpected EOF"},
		{"a banner", []byte("S"), 0, `received "S" where one NUL byte was expected`},
		{"a byte alone", []byte{0}, 0, "without a descriptor"},
		{"a letter with a descriptor", []byte("x"), 1, `received "x"`},
		{"two descriptors", []byte{0}, 2, "more than one descriptor"},
		{"five descriptors", []byte{0}, 5, "more than one descriptor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ssh, helper := pair(t)
			r, _ := pipe(t)
			var rights []byte
			if tt.fds > 0 {
				fds := make([]int, tt.fds)
				for i := range fds {
					fds[i] = int(r.Fd())
				}
				rights = unix.UnixRights(fds...)
			}
			if tt.data != nil {
				if err := unix.Sendmsg(helper, tt.data, rights, nil, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := unix.Shutdown(helper, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			before := openFDs(t)
			if fd, err := Receive(ssh); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Receive = %d, %v; want an error with %q", fd, err, tt.want)
			}
			if after := openFDs(t); after != before {
				t.Errorf("%d descriptors open, %d before", after, before)
			}
		})
	}
}

func TestSocket(t *testing.T) {
	ssh, _ := pair(t)
	r, w := pipe(t)
	udp, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(udp)
	for _, tt := range []struct {
		name string
		fds  []int
		want int
		err  error
	}{
		{"the first", []int{ssh, int(r.Fd())}, ssh, nil},
		{"the second", []int{int(w.Fd()), ssh}, ssh, nil},
		{"none", []int{int(w.Fd()), int(r.Fd()), udp}, -1, ErrNotSocket},
		{"closed", []int{-1}, -1, ErrNotSocket},
	} {
		if got, err := FindSocket(tt.fds...); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: Socket = %d, %v; want %d, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParseRights(f *testing.F) {
	f.Add(unix.UnixRights(3))
	f.Add(unix.UnixRights(3, 4))
	f.Add(append(unix.UnixRights(3), unix.UnixRights(4)...))
	f.Add(unix.UnixRights(3)[:17])
	f.Fuzz(func(t *testing.T, b []byte) {
		fds, err := parseRights(b)
		if err == nil && len(fds)*4 > len(b) {
			t.Errorf("%d descriptors out of %d bytes", len(fds), len(b))
		}
	})
}
