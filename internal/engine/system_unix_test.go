//go:build unix

package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These races run on the real kernel, over loopback.

// listener accepts on a free port of addr and returns what the first
// connection it accepts ends with: io.EOF for a FIN, or a reset.
func listener(t *testing.T, addr string) (Target, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Skipf("%v; remedy: ip link set lo up, net.ipv6.conf.lo.disable_ipv6=0", err)
	}
	ended := make(chan error, 1)
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, err = c.Read(make([]byte, 1))
			c.Close()
			select {
			case ended <- err:
			default:
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return Target{addr, uint16(l.Addr().(*net.TCPAddr).Port)}, ended
}

// backlog returns a target of loopback that completes n handshakes, and accepts none.
func backlog(t *testing.T, n int) Target {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, n-1)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return Target{"127.0.0.1", uint16(sa.(*unix.SockaddrInet4).Port)}
}

// silent returns a target of loopback that does not answer: its backlog is full, and Linux
// then drops each SYN.
func silent(t *testing.T) Target {
	t.Helper()
	target := backlog(t, 1)
	c, err := net.Dial("tcp", target.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return target
}

// refusing returns a target of loopback where nobody listens.
func refusing(t *testing.T) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return Target{"127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port)}
}

// noLeak fails the test if, at its end, it has left a descriptor or goroutine.
func noLeak(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe() // brings the runtime's own
	if err := errors.Join(err, r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	openFDs := func() int {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	fds, routines := openFDs(), runtime.NumGoroutine()
	t.Cleanup(func() {
		// A cancelled lookup ends by itself, a moment after the race, and with it
		// its sockets.
		for until := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > routines && time.Now().Before(until); {
			runtime.Gosched()
		}
		if n := runtime.NumGoroutine(); n > routines {
			stacks := make([]byte, 1<<16)
			t.Errorf("%d goroutines, %d before:\n%s", n, routines, stacks[:runtime.Stack(stacks, true)])
		}
		if n := openFDs(); n != fds {
			t.Errorf("%d descriptors open, %d before", n, fds)
		}
	})
}

func TestKernelWinner(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		noLeak(t)
		live, ended := listener(t, addr)
		w, err := (&Dialer{}).Dial(context.Background(), silent(t), refusing(t), live)
		if err != nil {
			t.Fatal(err)
		}
		if w.Addr.AddrPort != netip.AddrPortFrom(netip.MustParseAddr(addr), live.Port) || w.Target != live {
			t.Errorf("winner %v by %v, want %v", w.Addr, w.Target, live)
		}
		if flags, _ := unix.FcntlInt(uintptr(w.FD), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
			t.Error("the winner does not block")
		}
		if flags, _ := unix.FcntlInt(uintptr(w.FD), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Error("the winner is not close-on-exec")
		}
		if on, _ := unix.GetsockoptInt(w.FD, unix.SOL_SOCKET, unix.SO_KEEPALIVE); on == 0 {
			t.Error("SO_KEEPALIVE is off")
		}
		if on, _ := unix.GetsockoptInt(w.FD, unix.IPPROTO_TCP, unix.TCP_NODELAY); on == 0 {
			t.Error("TCP_NODELAY is off")
		}
		unix.Close(w.FD)
		if err := <-ended; err != io.EOF {
			t.Errorf("closed by its owner, the winner ends with %v, want EOF", err)
		}
	}
}

// unseen fails the test if a server has accepted a connection before the one
// that unseen makes.
func unseen(t *testing.T, server Target, ended <-chan error) {
	t.Helper()
	c, err := net.Dial("tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-ended; err != io.EOF {
		t.Errorf("%v has seen a connection that ended with %v", server, err)
	}
}

// A loser that has connected is reset before its server sees it.
func TestKernelLoserIsReset(t *testing.T) {
	noLeak(t)
	live, _ := listener(t, "127.0.0.1")
	rejected, ended := listener(t, "127.0.0.1")
	var d Dialer
	d.Transports = []Transport{{Check: func(fd int) error {
		sa, err := unix.Getpeername(fd)
		if err == nil && sa.(*unix.SockaddrInet4).Port == int(rejected.Port) {
			err = errors.New("not this one")
		}
		return err
	}}}
	w, err := d.Dial(context.Background(), rejected, live)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	unseen(t, rejected, ended)
}

// A caller that only wants to know who wins leaves no trace either.
func TestKernelProbe(t *testing.T) {
	noLeak(t)
	live, ended := listener(t, "127.0.0.1")
	w, err := (&Dialer{Probe: true}).Dial(context.Background(), live)
	if err != nil {
		t.Fatal(err)
	}
	resetOnClose(w.FD)
	unix.Close(w.FD)
	unseen(t, live, ended)
}

func TestKernelRefused(t *testing.T) {
	noLeak(t)
	_, err := (&Dialer{}).Dial(context.Background(), refusing(t))
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%v, want ECONNREFUSED", err)
	}
}

func TestKernelBind(t *testing.T) {
	noLeak(t)
	live, _ := listener(t, "127.0.0.1")
	d := Dialer{Bind: netip.MustParseAddr("127.0.0.9")}
	w, err := d.Dial(context.Background(), live)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(w.FD)
	sa, err := unix.Getsockname(w.FD)
	if err != nil || sa.(*unix.SockaddrInet4).Addr != [4]byte{127, 0, 0, 9} {
		t.Errorf("bound to %v, %v", sa, err)
	}
	d.Bind = netip.MustParseAddr("192.0.2.1") // nobody's
	if _, err := d.Dial(context.Background(), live); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("bound to nobody's address: %v", err)
	}
}

func TestKernelInterface(t *testing.T) {
	noLeak(t)
	live, _ := listener(t, "127.0.0.1")
	w, err := (&Dialer{Interface: "lo"}).Dial(context.Background(), live)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	if _, err := (&Dialer{Interface: "nosuch0"}).Dial(context.Background(), live); !errors.Is(err, unix.ENODEV) {
		t.Errorf("bound to no interface: %v", err)
	}
	for _, zone := range []string{"nosuch0", "4000000"} {
		if _, err := (&Dialer{}).Dial(context.Background(), Target{"fe80::1%" + zone, 22}); !errors.Is(err, unix.ENODEV) {
			t.Errorf("a zone that is no interface: %v", err)
		}
	}
}

// What ends a race from outside ends one that would go on for ever.
func TestKernelEndedEarly(t *testing.T) {
	dial := func(t *testing.T, d Dialer, ctx context.Context, end func()) error {
		target := silent(t)
		started := make(chan bool)
		d.Report = func(e Event) {
			if e.Kind == Start {
				close(started)
			}
		}
		go func() { <-started; end() }()
		_, err := d.Dial(ctx, target)
		return err
	}
	t.Run("context", func(t *testing.T) {
		noLeak(t)
		ctx, cancel := context.WithCancel(context.Background())
		if err := dial(t, Dialer{}, ctx, cancel); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want Canceled", err)
		}
	})
	t.Run("hangup", func(t *testing.T) {
		noLeak(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		d := Dialer{Hangup: []int{int(w.Fd())}}
		if err := dial(t, d, context.Background(), func() { r.Close() }); !errors.Is(err, ErrHangup) {
			t.Errorf("%v, want ErrHangup", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		noLeak(t)
		if err := dial(t, Dialer{Timeout: ms}, context.Background(), func() {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
	})
}

// A race of literals starts no goroutine.
func TestKernelLiteralsStartNoGoroutine(t *testing.T) {
	noLeak(t)
	before := runtime.NumGoroutine()
	d := Dialer{Timeout: 20 * ms, Report: func(Event) {
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before the race", n, before)
		}
	}}
	target := silent(t)
	if _, err := d.Dial(context.Background(), target, Target{"127.0.0.1", 1}); err == nil {
		t.Error("somebody answered")
	}
}

// A name is looked up by goroutines that end with the race, answered or not.
func TestKernelName(t *testing.T) {
	noLeak(t)
	live, _ := listener(t, "127.0.0.1")
	w, err := (&Dialer{}).Dial(context.Background(), Target{"localhost", live.Port})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
}

// Polls of closed sockets are swept, and those that live keep their order.
func TestKernelSweep(t *testing.T) {
	noLeak(t)
	k, err := newKernel(context.Background(), &Dialer{}, &Started{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.shut()
	to := silent(t)
	at := Addr{AddrPort: netip.AddrPortFrom(netip.MustParseAddr(to.Host), to.Port)}
	var fds []int
	for range 20 {
		fd, _, err := k.Connect(&Transport{}, at, "")
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	for i, fd := range fds {
		if i%3 != 0 {
			k.Close(&Transport{}, fd)
		}
	}
	if n, err := k.Wait(0); err != nil || len(n.completions) > 0 {
		t.Errorf("Wait = %v, %v", n, err)
	}
	var live []int
	for _, p := range k.polls[k.base:] {
		if p.Fd >= 0 {
			live = append(live, int(p.Fd))
			if k.polls[k.index[int(p.Fd)]].Fd != p.Fd {
				t.Errorf("index of %d is wrong", p.Fd)
			}
		}
	}
	if len(live) != 7 || len(k.polls) != len(live)+k.base {
		t.Errorf("%d live of %d polls", len(live), len(k.polls))
	}
	for i, fd := range live {
		if fd != fds[3*i] {
			t.Errorf("order lost: %v of %v", live, fds)
		}
		k.Close(&Transport{}, fd)
	}
	if n, err := k.Wait(0); err != nil || len(n.completions) > 0 {
		t.Errorf("Wait = %v, %v", n, err)
	}
}

// However many names there are, only so many are looked up at a time, and all
// of them in the end.
func TestLookupsAreBounded(t *testing.T) {
	k, err := newKernel(t.Context(), &Dialer{}, &Started{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.shut()
	const all = 2*maxLookups + 1
	for i := range all {
		k.Lookup(question{i, askA, "localhost"})
	}
	seen := map[int]bool{}
	for len(seen) < all {
		k.mu.Lock()
		if k.asking > maxLookups {
			t.Errorf("%d lookups under way", k.asking)
		}
		k.mu.Unlock()
		n, err := k.Wait(time.Minute)
		if err != nil || k.Now() > time.Minute {
			t.Fatal(err, "there were answers to ", len(seen))
		}
		for _, a := range n.answers {
			if a.err != nil || seen[a.lane] {
				t.Errorf("%d: %v, %v", a.lane, a.addrs, a.err)
			}
			seen[a.lane] = true
		}
	}
}
