package rawsys

import (
	"syscall"
	"time"
	"unsafe"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// Each question has a socket of its own to each server, connected to it: then the
// kernel drops what others send and reports a closed port. Two questions from one port
// are too much for some servers, which answer only one of them
// (single-request-reopen of resolv.conf(5)).

// Dial returns a socket on which connect(2) was called to name server a, of type kind
// (SOCK_DGRAM or SOCK_STREAM).
func Dial(a *stub.Addr, kind int) (fd int, e syscall.Errno) {
	fd, e = Socket(a, kind, 0)
	if e != 0 {
		return -1, e
	}
	if e = Connect(fd, a, DNSPort); e != 0 {
		Close(fd)
		return -1, e
	}
	return fd, 0
}

// Send sends p over UDP, from a socket that it opens if there is none. If the server
// cannot be reached the Lookup learns of it, and the socket is closed. Only NoDescriptor
// errors are returned: the question may still be repeated.
func Send(x *stub.Exchange, p stub.Packet, now time.Duration) (e syscall.Errno) {
	fd := fdOf(x, p.Question, p.Server)
	if *fd == 0 {
		s, e := Dial(&x.Config.Servers[min(uint(p.Server), stub.MaxServers-1)], unix.SOCK_DGRAM)
		if e != 0 {
			if NoDescriptor(e) {
				return e
			}
			x.Fail(p.Question, p.Server, Verdict(e), now)
			return 0
		}
		*fd = s
	}
	q := x.Query(p.Question)
	_, _, e = syscall.RawSyscall(unix.SYS_WRITE, uintptr(*fd), uintptr(unsafe.Pointer(unsafe.SliceData(q))), uintptr(len(q)))
	fail(x, p.Question, p.Server, e, now)
	return 0
}

// Receive reads a message that server has sent to the socket of question into b, and
// hands it to the Lookup. If kept is not -1, x.Messages has the message m, which is
// part of b, for that question. ok is false if there was nothing to read.
func Receive(x *stub.Exchange, question, server int, b []byte, now time.Duration) (m []byte, kept int, ok bool) {
	fd := fdOf(x, question, server)
	if *fd == 0 {
		return nil, -1, false
	}
	n, e := Read(*fd, b)
	if e != 0 {
		fail(x, question, server, e, now)
		return nil, -1, false
	}
	m = stub.Cut(b, 0, n)
	q, keep := x.Answer(server, m, false, now)
	if !keep {
		return m, -1, true
	}
	x.Messages[q&1][min(uint(server), stub.MaxServers-1)] = m
	return m, q, true
}

// fail closes the socket of a question and tells the Lookup, if e is a lasting error.
func fail(x *stub.Exchange, question, server int, e syscall.Errno, now time.Duration) {
	switch e {
	case 0:
		return
	case unix.EAGAIN, unix.EINTR, unix.ENOBUFS:
		return // lost, as a datagram may be
	}
	fd := fdOf(x, question, server)
	Close(*fd)
	*fd = 0
	x.Fail(question, server, Verdict(e), now)
}

// Verdict returns what e says about a name server.
func Verdict(e syscall.Errno) stub.Verdict {
	if e == unix.ECONNREFUSED {
		return stub.PortClosed
	}
	return stub.Unreachable
}

func fdOf(x *stub.Exchange, question, server int) *int {
	return &x.FDs[question&1][min(uint(server), stub.MaxServers-1)]
}
