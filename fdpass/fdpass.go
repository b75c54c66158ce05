//go:build unix

// Package fdpass hands one open file descriptor to another process over a
// Unix-domain stream socket, in the form that ssh(1) takes from a ProxyCommand
// under ProxyUseFdpass: one NUL byte and, in one SCM_RIGHTS message, one
// descriptor (OpenSSH, monitor_fdpass.c, mm_send_fd and mm_receive_fd).
package fdpass

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sendTimeout bounds a Send to a socket whose buffer is full. ssh reads at
// once; a reader that has not taken one byte by then is not going to.
const sendTimeout = 5 * time.Second

// maxInterrupts bounds how often a message is sent again after EINTR. The kernel does not
// return that to a call that does not wait, but a filter for system calls may, always.
const maxInterrupts = 10

// ErrNotSocket says that no descriptor given was a Unix-domain socket.
var ErrNotSocket = errors.New("not a Unix-domain socket")

// FindSocket returns the first of fds that a descriptor can be passed over: a
// Unix-domain stream socket. ssh gives its helper one as both 1 and 0. It
// returns ErrNotSocket where there is none.
func FindSocket(fds ...int) (int, error) {
	for _, fd := range fds {
		sa, err := unix.Getsockname(fd)
		if err != nil {
			continue
		}
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if _, ok := sa.(*unix.SockaddrUnix); ok && err == nil && kind == unix.SOCK_STREAM {
			return fd, nil
		}
	}
	return -1, ErrNotSocket
}

// Send passes fd over sock, a connected Unix-domain stream socket, blocking or
// not. Both stay the caller's, who may close fd as soon as Send has returned:
// the receiver has its own. The error matches unix.EPIPE when the receiver is
// gone (no SIGPIPE is raised), and os.ErrDeadlineExceeded when it has not read
// for 5 s.
func Send(sock, fd int) error {
	rights := unix.UnixRights(fd)
	interrupts := 0
	for until := time.Now().Add(sendTimeout); ; {
		err := send(sock, rights)
		if err == unix.EINTR {
			if interrupts++; interrupts < maxInterrupts {
				continue
			}
		}
		if err == unix.EAGAIN {
			err = waitWritable(sock, time.Until(until))
			if err == nil || err == unix.EINTR {
				continue
			}
		}
		return os.NewSyscallError("sendmsg", err)
	}
}

// send never waits: ssh's socket is one that blocks, and not for ever.
func send(sock int, rights []byte) error {
	return unix.Sendmsg(sock, []byte{0}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}

func waitWritable(sock int, left time.Duration) error {
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	p := []unix.PollFd{{Fd: int32(sock), Events: unix.POLLOUT}}
	_, err := unix.Poll(p, int(left.Milliseconds())+1)
	return err // EINTR, or nil: the caller tries again
}

// Receive takes one descriptor from sock, a Unix-domain stream socket that
// blocks, as ssh does it. The descriptor is close-on-exec and the caller's to
// close. Any others that came with it are closed. The error matches
// io.ErrUnexpectedEOF when the sender went without a word.
func Receive(sock int) (fd int, err error) {
	data := make([]byte, 1)
	rights := make([]byte, unix.CmsgSpace(4*maxRights))
	for {
		n, oobn, flags, _, err := unix.Recvmsg(sock, data, rights, closeOnExec)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, os.NewSyscallError("recvmsg", err)
		}
		return received(data[:n], rights[:oobn], flags&unix.MSG_CTRUNC != 0)
	}
}

// maxRights is one more descriptor than is taken, so that a second one is seen.
const maxRights = 2

// received judges one message. It closes what it does not return.
func received(data, control []byte, truncated bool) (fd int, err error) {
	fds, err := parseRights(control)
	switch {
	case err != nil:
	case truncated || len(fds) > 1:
		err = errors.New("more than one descriptor received")
	case len(data) == 0:
		err = io.ErrUnexpectedEOF
	case data[0] != 0:
		err = fmt.Errorf("received %q where one NUL byte was expected", data)
	case len(fds) == 0:
		err = errors.New("received a byte without a descriptor")
	default:
		unix.CloseOnExec(fds[0]) // for systems whose closeOnExec is nothing
		return fds[0], nil
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return -1, err
}

// parseRights returns every descriptor of the control messages in b.
func parseRights(b []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		if len(m.Data)%4 != 0 { // ParseUnixRights takes whole ones for granted
			return fds, fmt.Errorf("control message: half a descriptor in %d bytes", len(m.Data))
		}
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, fmt.Errorf("control message: %w", err)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}
