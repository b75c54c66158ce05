//go:build unix

package engine

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// begin begins an attempt as whoever calls Continue does.
func begin(t *testing.T, to Target) (fd int) {
	t.Helper()
	fd, err := streamSocket(unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port), Addr: at(to).Addr().As4()}); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	return fd
}

func begun(t *testing.T, to Target) *Started {
	t.Helper()
	return &Started{Sockets: map[netip.AddrPort]StartedSocket{at(to): {FD: begin(t, to)}}}
}

func at(to Target) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(to.Host), to.Port)
}

// TestStarted: the sockets of Started are attempts of the race, each at its address, and the
// race starts only the others.
func TestStarted(t *testing.T) {
	noLeak(t)
	live, ended := listener(t, "127.0.0.1")
	dead, refused := silent(t), refusing(t)
	fd := begin(t, live)
	sockets := map[netip.AddrPort]StartedSocket{at(live): {FD: fd}, at(dead): {FD: begin(t, dead)}}
	w, err := (&Dialer{Timeout: 2 * time.Hour}).Continue(context.Background(), &Started{Sockets: sockets, Age: time.Hour}, dead, refused, live)
	if err != nil {
		t.Fatal(err)
	}
	if w.FD != fd || w.Target != live {
		t.Errorf("winner %d to %v, want %d to %v", w.FD, w.Target, fd, live)
	}
	if w.Elapsed < time.Hour {
		t.Errorf("won after %v, in a race that was an hour old", w.Elapsed)
	}
	if flags, _ := unix.FcntlInt(uintptr(w.FD), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
		t.Error("the winner does not block")
	}
	unix.Close(w.FD)
	if err := <-ended; err != io.EOF {
		t.Errorf("the winner ends with %v, want EOF", err)
	}
}

// TestStartedFails: what was refused before the race is not tried again, nor taken
// for a refusal of this machine; and the time for the race is over as if it had
// begun with them.
func TestStartedFails(t *testing.T) {
	noLeak(t)
	refused := refusing(t)
	live, _ := listener(t, "127.0.0.1")
	_, err := new(Dialer).Continue(context.Background(), begun(t, refused), refused)
	if !errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, ErrLocal) {
		t.Errorf("refused, but not by this machine: %v", err)
	}
	dead := silent(t)
	old := begun(t, dead)
	old.Age = DefaultTimeout
	_, err = new(Dialer).Continue(context.Background(), old, dead)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a race whose time is over: %v", err)
	}
	// A race that ends before their turn closes them.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = (&Dialer{Family: IPv6}).Continue(ctx, begun(t, live), live)
	if err == nil {
		t.Error("an IPv4 address won a race of IPv6")
	}
	// So does one that has nothing to race.
	if _, err = new(Dialer).Continue(context.Background(), begun(t, live)); err == nil {
		t.Error("a race without targets was won")
	}
}
