//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"fdrace/internal/lab"
	"fdrace/internal/prestart"

	"golang.org/x/sys/unix"
)

// passedOptions are what ssh relies on in a socket that it was passed, and what would
// disturb it.
var passedOptions = []struct {
	name          string
	level, option int
	want          int
}{
	{"SO_TYPE", unix.SOL_SOCKET, unix.SO_TYPE, unix.SOCK_STREAM},
	{"SO_ERROR", unix.SOL_SOCKET, unix.SO_ERROR, 0},
	{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{"SO_RCVLOWAT", unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1},
	{"SO_BINDTOIFINDEX", unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 0},
	{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 7200}, // the kernel's default
	{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0},
	{"IP_RECVERR", unix.IPPROTO_IP, unix.IP_RECVERR, 0},
	{"IPV6_RECVERR", unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 0},
}

// TestHandOver makes sure that a socket is the same whoever passes it: package
// prestart, or the race of the runtime, by TCP or by MPTCP.
func TestHandOver(t *testing.T) {
	program := build(t)
	server := listenTCP(t, "127.0.0.1:0")
	port := fmt.Sprint(server.Addr().(*net.TCPAddr).Port)
	listenTCP(t, "[::1]:"+port)
	go sendBanners(server)
	for line, common := range map[string]bool{ // whether it is for package prestart
		"127.0.0.1": true, "::1": true, "localhost": true, "-4 -- 127.0.0.2 127.0.0.1": true,
		"--mptcp 127.0.0.1": true, "--mptcp localhost": true,
		"-w5 127.0.0.1": false, "-w5 --mptcp ::1": false, "--require-mptcp 127.0.0.1": false, "--banner 127.0.0.1": false,
	} {
		if strings.Contains(line, "require") && !hasMPTCP() {
			continue
		}
		for _, env := range []string{"FDRACE_PRESTART=1", "FDRACE_PRESTART=0"} {
			t.Run(line+" "+env, func(t *testing.T) {
				// What sh has closed, the first sockets must not replace.
				for _, closed := range []string{"", "0<&-", "2>&-", "0<&- 2>&-"} {
					argv := []string{"sh", "-c", `exec "$0" "$@" ` + closed, program}
					r := runHelper(t, env, nil, append(append(argv, strings.Fields(line)...), port)...)
					before := closed == "" && common && prestart.Link != "" && env == "FDRACE_PRESTART=1"
					if got := !strings.Contains(r.Stderr, "init "); closed == "" && got != before {
						t.Errorf("passed before the runtime: %v, want %v", got, before)
					}
					checkPassed(t, r, strings.Contains(line, "mptcp"))
				}
			})
		}
	}
}

func checkPassed(t *testing.T, r *lab.Result, mptcp bool) {
	t.Helper()
	if r.FD < 0 || r.Status != 0 || r.Extra != "" {
		t.Fatalf("status %d, beside the descriptor %q: %s", r.Status, r.Extra, r.Stderr)
	}
	defer unix.Close(r.FD)
	// The lab has received one NUL byte with one descriptor, and nothing else.
	if flags, err := unix.FcntlInt(uintptr(r.FD), unix.F_GETFL, 0); err != nil || flags != unix.O_RDWR {
		t.Errorf("file status flags: %#x, %v: it must block", flags, err)
	}
	for _, o := range passedOptions {
		got, err := unix.GetsockoptInt(r.FD, o.level, o.option)
		refused := errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EOPNOTSUPP) // by IPv4 or by MPTCP
		if got != o.want && !refused {
			t.Errorf("%s: %d, %v, want %d", o.name, got, err, o.want)
		}
	}
	if linger, err := unix.GetsockoptLinger(r.FD, unix.SOL_SOCKET, unix.SO_LINGER); err != nil || linger.Onoff != 0 {
		t.Errorf("SO_LINGER: %v, %v", linger, err)
	}
	if n, _, _, _, err := unix.Recvmsg(r.FD, nil, make([]byte, 256), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT); err != unix.EAGAIN {
		t.Errorf("error queue: %d, %v", n, err)
	}
	if r.Facts.Poll != 0 {
		t.Errorf("poll: %#x", r.Facts.Poll)
	}
	if want := mptcp && hasMPTCP(); r.Facts.MPTCP != want {
		t.Errorf("MPTCP: %v, want %v", r.Facts.MPTCP, want)
	}
}

func hasMPTCP() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	unix.Close(fd)
	return err == nil
}

// listenTCP accepts connections, by MPTCP if that is there, and reads nothing.
func listenTCP(t *testing.T, addr string) net.Listener {
	t.Helper()
	var c net.ListenConfig
	c.SetMultipathTCP(true)
	l, err := c.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// sendBanners sends a banner to each client of l.
func sendBanners(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "SSH-2.0-test\r\n") // the client may have gone away
	}
}

// runHelper runs argv as ssh would, in a thread that begin has prepared.
func runHelper(t *testing.T, env string, begin func() error, argv ...string) *lab.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", env)
	var r *lab.Result
	var err error
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with what begin has done to it
		if begin != nil {
			if err = begin(); err != nil {
				return
			}
		}
		r, err = lab.Run(cmd)
	}()
	if <-done; err != nil {
		t.Fatal(err)
	}
	return r
}

// bothWays are the environments for the two ways to the race.
var bothWays = []string{"FDRACE_PRESTART=1", "FDRACE_PRESTART=0"}

// TestSendInterrupted has sendmsg(2) fail with EINTR each time. It is not repeated
// forever.
func TestSendInterrupted(t *testing.T) {
	program := build(t)
	server := listenTCP(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(server.Addr().String())
	for _, env := range bothWays {
		r := runHelper(t, env, func() error { return denySyscall(unix.SYS_SENDMSG, unix.EINTR) }, program, "127.0.0.1", port)
		if r.FD >= 0 || r.Status != 3 || !strings.Contains(r.Stderr, "could not be passed: sendmsg: interrupted system call") {
			t.Errorf("%s: status %d, descriptor %d: %s", env, r.Status, r.FD, r.Stderr)
		}
	}
}

// denySyscall makes a system call fail in this thread and its children.
func denySyscall(number uint32, e syscall.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: number},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(e)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// TestReaderGone has ssh read no more: the helper must survive SIGPIPE, which an error
// message can then report. Nothing of it may reach the server, although stderr is closed
// and the connection could have taken its place.
func TestReaderGone(t *testing.T) {
	program := build(t)
	for _, env := range bothWays {
		for _, closed := range []string{"", "2>&-"} {
			server := listenTCP(t, "127.0.0.1:0")
			_, port, _ := net.SplitHostPort(server.Addr().String())
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pair[0])
			if err := unix.Shutdown(pair[0], unix.SHUT_RD); err != nil { // no POLLHUP, but EPIPE
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "env", "--default-signal=PIPE", "sh", "-c", `exec "$0" "$@" `+closed, program, "127.0.0.1", port)
			cmd.Env = append(os.Environ(), env)
			theirs := os.NewFile(uintptr(pair[1]), "helper's end")
			var stderr strings.Builder
			cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, &stderr
			err = cmd.Run()
			theirs.Close()
			if cmd.ProcessState.ExitCode() != 3 || closed == "" && !strings.Contains(stderr.String(), "broken pipe") {
				t.Errorf("%s %s: %v: %s", env, closed, err, stderr.String())
			}
			c, err := server.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(c); len(got) > 0 {
				t.Errorf("%s %s: the server has read %q", env, closed, got)
			}
			c.Close()
		}
	}
}

// TestManyProcs has the environment ask for more processors than there could be.
func TestManyProcs(t *testing.T) {
	if prestart.Link == "" {
		t.Skip("prestart has its entry on Linux on amd64 and arm64 only: run the test there")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	program := build(t)
	maxRSS := func(env ...string) int64 { // kB
		cmd := exec.CommandContext(ctx, program, "--version")
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	}
	// The kernel counts what this process has before exec(2), too.
	few, many := maxRSS("FDRACE_PRESTART=0"), maxRSS("FDRACE_PRESTART=0", "GOMAXPROCS=99999")
	if many > few+100<<10 {
		t.Errorf("it took %d kB, and %d with few", many, few)
	}
}

// TestSignals sends signals before and after the runtime has started. They do the same.
func TestSignals(t *testing.T) {
	program := build(t)
	port := silentPort(t)
	for _, tt := range []struct {
		signal  syscall.Signal
		ignored bool // by the parent
		ends    bool
	}{
		{unix.SIGINT, false, true}, {unix.SIGINT, true, false},
		{unix.SIGHUP, false, true}, {unix.SIGHUP, true, false},
		{unix.SIGTERM, false, true}, {unix.SIGTERM, true, true},
		{unix.SIGPIPE, true, false}, // as from ssh
	} {
		for _, env := range bothWays {
			name := strings.TrimPrefix(unix.SignalName(tt.signal), "SIG")
			option := "--default-signal=" + name
			if tt.ignored {
				option = "--ignore-signal=" + name
			}
			before := env == bothWays[0] && prestart.Link != ""
			var state *os.ProcessState
			for range 20 { // it may be too late for before
				if state = signalRace(t, tt.signal, tt.ends, before, env, "env", option, program, "127.0.0.1", port); state != nil {
					break
				}
			}
			if state == nil {
				t.Fatalf("%s: the runtime starts before a signal can be sent", env)
			}
			status := state.Sys().(syscall.WaitStatus)
			if got := status.Signaled() && status.Signal() == tt.signal; got != tt.ends || !got && status.ExitStatus() != 3 {
				t.Errorf("%s, %s: %v", option, env, state)
			}
		}
	}
}

// signalRace starts a helper, sends a signal when it waits in the race, before or after
// the runtime has started, and lets ssh go away unless the signal ends the helper. It
// returns nil if the runtime has started although the signal is for before.
func signalRace(t *testing.T, signal syscall.Signal, ends, before bool, env string, argv ...string) *os.ProcessState {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env)
	h, err := lab.StartHelper(cmd)
	if err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	for {
		time.Sleep(time.Millisecond) // the process runs meanwhile
		if ctx.Err() != nil {
			_, err := h.Wait()
			t.Fatalf("%s: the helper did not wait in the race: %v", env, err)
		}
		exe, _ := os.Readlink(dir + "exe")
		tasks, _ := filepath.Glob(dir + "task/*/syscall")
		started := len(tasks) > 1
		waits := slices.ContainsFunc(tasks, func(task string) bool { // any thread can have the race
			text, _ := os.ReadFile(task)
			return strings.HasPrefix(string(text), fmt.Sprint(unix.SYS_PPOLL, " "))
		})
		if exe != argv[2] || !waits {
			continue
		}
		if before != started {
			break
		}
		if before {
			_ = h.HangUp()
			_, _ = h.Wait()
			return nil
		}
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if !ends {
		_ = h.HangUp()
	}
	if _, err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState
}

// silentPort returns a port of 127.0.0.1 at which nobody answers: the server's backlog is
// full.
func silentPort(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(c) })
	if err := unix.Connect(c, sa); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(sa.(*unix.SockaddrInet4).Port)
}
