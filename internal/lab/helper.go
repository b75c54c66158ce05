//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Helper is a ProxyCommand that runs as under ssh with ProxyUseFdpass: its stdin and
// stdout are one end of a stream socket pair, and SIGPIPE is ignored.
type Helper struct {
	cmd    *exec.Cmd
	socket int // our end
	stderr *os.File
	start  time.Time
}

// Result is what a helper has passed, and when.
type Result struct {
	Start  time.Time     // just before fork and exec
	FD     int           // -1: none. The caller closes it
	ToFD   time.Duration // from Start until the descriptor was received; 0 without one
	ToExit time.Duration // from Start until the helper had exited
	Status int           // exit status; -1 if it was killed by a signal
	Stderr string
	Extra  string // other bytes on stdout than the one with the descriptor: ssh would fail
	Facts  Facts  // of the descriptor
}

// Run runs a helper until it exits, in the calling thread's namespaces. The caller sets
// only cmd's name, arguments, environment and directory, and bounds it by
// exec.CommandContext. As root, it runs with real-time priority (setPriority).
func Run(cmd *exec.Cmd) (*Result, error) { return run(cmd, func(*Helper) {}) }

// run is Run, which calls meanwhile when the helper has started.
func run(cmd *exec.Cmd, meanwhile func(*Helper)) (*Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if setPriority(prioHelper) == nil {
		defer setPriority(prioNormal)
	}
	h, err := StartHelper(cmd)
	if err != nil {
		return nil, err
	}
	meanwhile(h)
	return h.Wait()
}

// StartHelper starts a helper. The caller calls Wait.
func StartHelper(cmd *exec.Cmd) (*Helper, error) {
	signal.Ignore(unix.SIGPIPE) // inherited, as from ssh
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("helper: socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "helper's end")
	defer theirs.Close() // once it runs the end is the helper's alone, and it closes when it exits
	// A file and not a pipe, so that nothing but the helper is waited for.
	memory, err := unix.MemfdCreate("stderr", unix.MFD_CLOEXEC)
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("helper: memfd: %w", err)
	}
	h := &Helper{cmd: cmd, socket: pair[0], stderr: os.NewFile(uintptr(memory), "stderr"), start: time.Now()}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, h.stderr
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("helper: %w", err), unix.Close(h.socket), h.stderr.Close())
	}
	return h, nil
}

// HangUp shuts the socket down, as the kernel does when ssh is killed. It may be called
// during Wait.
func (h *Helper) HangUp() error { return unix.Shutdown(h.socket, unix.SHUT_RDWR) }

// Wait receives the descriptor, waits until the helper has exited, and reads what else
// it has written, in ssh's order.
func (h *Helper) Wait() (*Result, error) {
	r := &Result{FD: -1, Start: h.start}
	// ssh reads one byte, too: bytes that are sent later are not part of the message.
	data, fds, err := receive(h.socket, make([]byte, 1))
	if len(fds) > 0 {
		r.ToFD = time.Since(h.start)
		r.FD, fds = fds[0], fds[1:]
	} else {
		r.Extra = data
	}
	var ended *exec.ExitError
	if e := h.cmd.Wait(); e != nil && !errors.As(e, &ended) {
		err = errors.Join(err, e)
	}
	r.ToExit = time.Since(h.start)
	r.Status = h.cmd.ProcessState.ExitCode()
	// A process that this one is just now starting holds the other end, too,
	// between its fork and its exec.
	err = errors.Join(err, unix.SetsockoptTimeval(h.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}))
	for err == nil && data != "" { // the other end is closed, so this ends
		r.discard(fds)
		data, fds, err = receive(h.socket, make([]byte, 512))
		r.Extra += data
	}
	if errors.Is(err, unix.EAGAIN) {
		err = errors.New("helper: a process it left behind holds stdout")
	}
	said, e := io.ReadAll(io.NewSectionReader(h.stderr, 0, 1<<20))
	r.Stderr = string(said)
	err = errors.Join(err, e, unix.Close(h.socket), h.stderr.Close())
	if err == nil && r.FD >= 0 {
		r.Facts, err = Examine(r.FD)
	}
	if err != nil && r.FD >= 0 {
		unix.Close(r.FD)
		r.FD = -1
	}
	return r, err
}

// discard closes further descriptors, and notes them in Extra.
func (r *Result) discard(fds []int) {
	for _, fd := range fds {
		r.Extra += "[a descriptor]"
		unix.Close(fd)
	}
}

// receive receives one message: bytes, none at the end of the stream, and the
// descriptors that came with them.
func receive(socket int, buf []byte) (data string, fds []int, err error) {
	control := make([]byte, unix.CmsgSpace(16*4))
	var n, oobn int
	err = restart(func() (err error) {
		n, oobn, _, _, err = unix.Recvmsg(socket, buf, control, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	// A helper that leaves bytes unread resets the socket when it exits.
	if errors.Is(err, unix.ECONNRESET) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("helper: recvmsg: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		return "", nil, fmt.Errorf("helper: control message: %w", err)
	}
	for _, m := range messages {
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return "", nil, fmt.Errorf("helper: control message: %w", err)
		}
		fds = append(fds, got...)
	}
	return string(buf[:n]), fds, nil
}
