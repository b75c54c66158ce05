//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"fdrace/fdpass"

	"golang.org/x/sys/unix"
)

// A helper is a command that connects, passes the connection and exits.
type helper struct {
	name string
	argv []string // argv[0] is a path
}

// A sample is one run of a helper. The times start before the fork: that is
// when ssh begins to wait, and it is the same for all.
type sample struct {
	fd   time.Duration // until the descriptor is there
	exit time.Duration // until the helper is gone: what ssh waits for
	cpu  time.Duration // that it used, in the kernel and out of it
	page int64         // faults, of those that need no disk
}

func (h *helper) measure() (s sample, err error) {
	start := time.Now()
	pid, ours, err := h.start(&syscall.SysProcAttr{})
	if err != nil {
		return s, err
	}
	defer unix.Close(ours)
	received := receive(ours)
	s.fd = time.Since(start)
	var status syscall.WaitStatus
	var used syscall.Rusage
	_, err = syscall.Wait4(pid, &status, 0, &used)
	s.exit = time.Since(start)
	s.cpu = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	s.page = used.Minflt
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d, signal %d", status.ExitStatus(), status.Signal())
	}
	return s, errors.Join(err, received)
}

// start runs h as ssh does: one end of a socketpair is its stdin and stdout.
func (h *helper) start(sys *syscall.SysProcAttr) (pid, ours int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, -1, err
	}
	pid, err = syscall.ForkExec(h.argv[0], h.argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(pair[1]), uintptr(pair[1]), 2},
		Sys:   sys,
	})
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
	}
	return pid, pair[0], err
}

// receive takes the connection and resets it, so that no port of this machine
// is left in TIME_WAIT.
func receive(sock int) error {
	fd, err := fdpass.Receive(sock)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// measurePeak returns the most memory that h has had in one run, in megabytes.
// It is read as h is about to exit, because the ru_maxrss of a child counts
// what the child was before exec: a fork of this program, larger than nc.
func (h *helper) measurePeak() (mb float64, err error) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	pid, ours, err := h.start(&syscall.SysProcAttr{Ptrace: true})
	if err != nil {
		return 0, err
	}
	defer unix.Close(ours)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil { // it has stopped at exec
		return 0, err
	}
	if err := syscall.PtraceSetOptions(pid, unix.PTRACE_O_TRACEEXIT|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, os.NewSyscallError("ptrace", err)
	}
	for status.TrapCause() != unix.PTRACE_EVENT_EXIT {
		signal := status.StopSignal()
		if signal == unix.SIGTRAP { // the tracer's, at each exec
			signal = 0
		}
		if err := syscall.PtraceCont(pid, int(signal)); err != nil {
			return 0, os.NewSyscallError("ptrace", err)
		}
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
			return 0, err
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(text, []byte("VmHWM:"))
	var kb int
	if _, err := fmt.Sscanf(string(after), "%d kB", &kb); err != nil {
		return 0, fmt.Errorf("VmHWM in /proc/%d/status: %w", pid, err)
	}
	if err := syscall.PtraceDetach(pid); err != nil {
		return 0, os.NewSyscallError("ptrace", err)
	}
	_, err = syscall.Wait4(pid, &status, 0, nil)
	return float64(kb) * 1024 / 1e6, errors.Join(err, receive(ours))
}
