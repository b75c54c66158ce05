package engine

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAnswersOthers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server string
		from   string // of the other connection
		sent   int    // to that, in bytes
		within time.Duration
		want   bool
	}{
		{"another", "127.0.0.1", "127.0.0.1", 40, time.Minute, true},
		{"another over IPv6", "::1", "::1", 40, time.Minute, true},
		{"none", "127.0.0.1", "127.0.0.1", 0, time.Minute, false},
		{"another, but longer ago", "127.0.0.1", "127.0.0.1", 40, -1, false},
		{"one that is not young", "127.0.0.1", "127.0.0.1", maxLoginBytes + 1, time.Minute, false},
		{"one from another address", "127.0.0.1", "127.0.0.2", 40, time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := netip.MustParseAddr(tt.server)
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(server, 0)))
			if err != nil && server.Is6() {
				t.Skipf("needs IPv6 on the loopback interface: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			other, peer := connectFrom(t, l, tt.from)
			own, _ := connectFrom(t, l, tt.server)
			if _, err := peer.Write(make([]byte, tt.sent)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(other, make([]byte, tt.sent)); err != nil {
				t.Fatal(err)
			}
			raw, err := own.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var got bool
			var gotErr error
			if err := raw.Control(func(fd uintptr) { got, gotErr = answersOthers(int(fd), tt.within) }); err != nil {
				t.Fatal(err)
			}
			if gotErr == unix.ENOTSUP {
				t.Skip(`needs the kernel's list of TCP connections: run "modprobe tcp_diag"`)
			}
			if got != tt.want || gotErr != nil {
				t.Errorf("answersOthers returned %v, %v; want %v", got, gotErr, tt.want)
			}
		})
	}
}

func TestAnswersOthersOfOtherSockets(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	if got, err := answersOthers(fds[0], time.Minute); got || err != unix.EAFNOSUPPORT {
		t.Errorf("answersOthers of a Unix-domain socket returned %v, %v", got, err)
	}
}

// connectFrom connects to l, and returns both ends.
func connectFrom(t *testing.T, l *net.TCPListener, from string) (near, far *net.TCPConn) {
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	near, err := net.DialTCP("tcp", local, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	if far, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}
