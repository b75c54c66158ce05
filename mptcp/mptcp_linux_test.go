package mptcp

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// connect returns a connection to a listener on loopback, made by Socket.
func connect(t *testing.T, network, addr string, serverSpeaks bool) int {
	t.Helper()
	l := listenAt(t, network, addr, serverSpeaks)

	var domain int
	var to unix.Sockaddr
	at := l.Addr().(*net.TCPAddr)
	if network == "tcp4" {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}
	} else {
		domain, to = unix.AF_INET6, &unix.SockaddrInet6{Port: at.Port, Addr: [16]byte(at.IP)}
	}
	fd, err := Socket(domain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestInUse(t *testing.T) {
	for _, at := range [][2]string{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}} {
		t.Run(at[0], func(t *testing.T) {
			for _, speaks := range []bool{true, false} {
				fd := connect(t, at[0], at[1], speaks)
				// Both ways of asking must give the same answer on a kernel that has
				// both.
				for name, ask := range map[string]func(int) (bool, error){"InUseFD": InUseFD, "inUseByInfo": inUseByInfo} {
					if got, err := ask(fd); got != speaks || err != nil {
						t.Errorf("server with MPTCP %v: %s = %v, %v", speaks, name, got, err)
					}
				}
			}
		})
	}
}

// That it says yes is for the end-to-end tests: a network has to drop packets.
func TestPaused(t *testing.T) {
	if err := Supported(); err != nil {
		t.Skipf("%v; remedy: %s", err, remedy)
	}
	if paused, err := Paused(); paused || err != nil {
		t.Errorf("%v, %v; remedy if it is right: sysctl -w net.mptcp.blackhole_timeout=3600", paused, err)
	}
}

func TestInUsePlainTCP(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got, err := InUseFD(fd); got || err != nil {
		t.Errorf("InUseFD = %v, %v", got, err)
	}
	if got, err := inUseByInfo(fd); got || err != nil {
		t.Errorf("inUseByInfo = %v, %v", got, err)
	}
}

func TestInUseNoSocket(t *testing.T) {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := InUse(f); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("InUse of /dev/null: %v, want ENOTSOCK", err)
	}
}

func TestSocketIsReadyToRace(t *testing.T) {
	fd, err := Socket(unix.AF_INET)
	if err != nil {
		t.Skipf("%v; remedy: sysctl net.mptcp.enabled=1, on a kernel with CONFIG_MPTCP", err)
	}
	defer unix.Close(fd)
	if n, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); n&unix.O_NONBLOCK == 0 {
		t.Error("the socket blocks")
	}
	if n, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); n&unix.FD_CLOEXEC == 0 {
		t.Error("the socket is not close-on-exec")
	}
}

func TestExplain(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.ENOPROTOOPT:     "net.mptcp.enabled=0",
		unix.EPROTONOSUPPORT: "CONFIG_MPTCP",
		unix.EINVAL:          "Linux 5.6",
		unix.EPERM:           "seccomp",
		unix.EACCES:          "SELinux",
		unix.ENOSYS:          "seccomp",
		unix.EMFILE:          "socket",
	} {
		err := socketError(errno)
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v; want %q", errno, err, want)
		}
	}
}

// The buffer of a connection that has carried nothing yet is that of
// net.ipv4.tcp_rmem, and afterwards the kernel may still tune it.
func TestGrowReceiveBuffer(t *testing.T) {
	for _, speaks := range []bool{true, false} { // one that has fallen back is the same socket
		fd := connect(t, "tcp4", "127.0.0.1:0", speaks)
		get := func(option int) int {
			t.Helper()
			n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := get(unix.SO_RCVBUF)
		if err := GrowReceiveBuffer(fd); err != nil {
			t.Fatal(err)
		}
		if n := get(unix.SO_RCVLOWAT); n != 1 {
			t.Errorf("a read waits for %d bytes", n)
		}
		if n := get(unix.SO_RCVBUF); n < receiveWindow {
			t.Errorf("the buffer was %d, and is %d (before Linux 6.7, or with a low maximum in net.ipv4.tcp_rmem, it cannot grow)", before, n)
		}
	}
	if err := GrowReceiveBuffer(-1); !errors.Is(err, unix.EBADF) {
		t.Error(err)
	}
}
