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
// once; a receiver that has not read a byte by then never will.
const sendTimeout = 5 * time.Second

// maxInterrupts bounds how often a message is sent again after EINTR. The kernel does not
// return EINTR from a call that does not wait, but a seccomp filter may, every time.
const maxInterrupts = 10

// ErrNotSocket says that none of the descriptors is a Unix-domain stream socket.
var ErrNotSocket = errors.New("not a Unix-domain socket")

// FindSocket returns the first of fds that a descriptor can be passed over: a
// Unix-domain stream socket. ssh gives its helper one as both stdin and stdout.
// If there is none, FindSocket returns -1 and ErrNotSocket.
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
// not. The caller owns both, and may close fd as soon as Send has returned: the
// receiver has a descriptor of its own. The error matches unix.EPIPE if the
// receiver has closed its end (no SIGPIPE is raised), and os.ErrDeadlineExceeded
// if it has not read for 5 s.
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

// send does not wait, even though ssh's socket is a blocking one: waitWritable
// waits, and has a time limit.
func send(sock int, rights []byte) error {
	return unix.Sendmsg(sock, []byte{0}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}

// waitWritable waits for room in the buffer of sock, for the time that is left.
func waitWritable(sock int, left time.Duration) error {
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	p := []unix.PollFd{{Fd: int32(sock), Events: unix.POLLOUT}}
	_, err := unix.Poll(p, int(left.Milliseconds())+1)
	return err // EINTR, or nil: the caller tries again
}

// Receive takes one descriptor from sock, a blocking Unix-domain stream socket,
// as ssh does. The descriptor is close-on-exec, and the caller owns it. If more
// than one came, Receive closes all of them and returns an error. The error
// matches io.ErrUnexpectedEOF if the sender has closed its end without sending
// anything.
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

// maxRights is one more than is accepted, so that a second descriptor is noticed.
const maxRights = 2

// received returns the descriptor of one message. It closes those that it does not
// return.
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
		unix.CloseOnExec(fds[0]) // for systems where closeOnExec is 0
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
		if len(m.Data)%4 != 0 { // ParseUnixRights does not check this
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
