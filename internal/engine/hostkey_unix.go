//go:build unix

package engine

import (
	"os"

	"golang.org/x/sys/unix"
)

// A checkProgram is what HostKeyCheck.Start has started.
type checkProgram struct {
	pid  int
	said []byte
}

// maxChecked bounds the output that is read from a program, in bytes.
const maxChecked = 64 << 10

func (k *kernel) StartCheck(fd int, start func(conn, stderr int) (pid int, err error)) (check int, err error) {
	pair, err := socketPair() // not a pipe: Wait asks what it polls for SO_ERROR
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	sendAck(fd)
	_ = unix.SetNonblock(fd, false) // programs expect a blocking stdin
	pid, err := start(fd, pair[1])
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return -1, err
	}
	k.forget(fd)
	unix.Close(fd)
	check = pair[0]
	if k.checks == nil {
		k.checks = map[int]*checkProgram{}
	}
	k.checks[check] = &checkProgram{pid: pid}
	k.index[check] = len(k.polls)
	k.polls = append(k.polls, unix.PollFd{Fd: int32(check), Events: unix.POLLIN})
	return check, nil
}

func (k *kernel) ReadCheck(check int) (said string, ended bool) {
	p := k.checks[check]
	var buf [4096]byte
	for len(p.said) < maxChecked {
		n, _, err := unix.Recvfrom(check, buf[:], unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return string(p.said), false
		case err != nil || n == 0:
			return string(p.said), true
		}
		p.said = append(p.said, buf[:n]...)
	}
	return string(p.said), true
}

// endCheck kills a program, and thereby closes its connection. It does not wait for the
// program to end by itself: a check does not change the terminal.
func (k *kernel) endCheck(check int) {
	kill(k.checks[check].pid)
	delete(k.checks, check)
	unix.Close(check)
	k.forget(check)
}
