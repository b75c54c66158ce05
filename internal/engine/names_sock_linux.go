package engine

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"fdrace/internal/resolve"
	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// The sockets of names: each is connected to one server, so that the kernel
// passes on nobody else's answers and tells of a port that is closed. Each
// question has one of its own, and so a port of its own: some servers lose one of
// two questions that come from one port (single-request-reopen of
// resolv.conf(5)).

// dnsPort is where name servers listen. Tests have no privilege to.
var dnsPort uint16 = 53

// send sends what is due.
func (s *names) send(k *kernel, l *lookup, now time.Duration) {
	for {
		p, ok := l.Send(now)
		if !ok {
			return
		}
		if p.TCP {
			s.sendTCP(k, l, p, now)
		} else {
			s.sendUDP(k, l, p, now)
		}
	}
}

func (s *names) sendUDP(k *kernel, l *lookup, p stub.Packet, now time.Duration) {
	sock := l.socks[p.Question][p.Server]
	if sock == nil {
		var why stub.Verdict
		if sock, why = s.open(k, l, p, now); sock == nil {
			if why != stub.NoAnswer {
				l.Fail(p.Question, p.Server, why, now)
			}
			return
		}
	}
	if _, err := unix.Write(sock.fd, l.Query(p.Question)); err != nil {
		s.failed(k, sock, err, now)
	}
}

func (s *names) sendTCP(k *kernel, l *lookup, p stub.Packet, now time.Duration) {
	if sock := l.streams[p.Question][p.Server]; sock != nil { // of the name before
		s.closeSock(k, sock)
	}
	sock, why := s.open(k, l, p, now)
	if sock == nil {
		if why == stub.NoAnswer {
			why = stub.TCPFailed
		}
		l.Fail(p.Question, p.Server, why, now)
		return
	}
	q := l.Query(p.Question)
	sock.out = append([]byte{byte(len(q) >> 8), byte(len(q))}, q...)
}

// open makes a socket to a server. Where there is none it says why: NoAnswer if
// no descriptor is left, which may be different when the question is repeated.
func (s *names) open(k *kernel, l *lookup, p stub.Packet, now time.Duration) (*nameSock, stub.Verdict) {
	to := netip.AddrPortFrom(toNetip(&s.conf.Servers[p.Server]), dnsPort)
	sa, err := sockaddr(Addr{AddrPort: to})
	if err != nil {
		return nil, stub.Unreachable
	}
	domain, kind := unix.AF_INET6, unix.SOCK_DGRAM
	if to.Addr().Is4() {
		domain = unix.AF_INET
	}
	if p.TCP {
		kind = unix.SOCK_STREAM
	}
	fd, err := newSocket(domain, kind)
	if err != nil {
		if err == unix.EMFILE || err == unix.ENFILE {
			s.full = os.NewSyscallError("socket", err)
			return nil, stub.NoAnswer
		}
		return nil, stub.Unreachable
	}
	if err := unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		if err == unix.ECONNREFUSED {
			return nil, stub.PortClosed
		}
		return nil, stub.Unreachable
	}
	sock := &nameSock{fd: fd, lookup: l, question: p.Question, server: p.Server, tcp: p.TCP}
	s.listen(k, sock)
	return sock, 0
}

// listen has poll tell of sock.
func (s *names) listen(k *kernel, sock *nameSock) {
	events := int16(unix.POLLIN)
	list := &sock.lookup.socks
	if sock.tcp {
		events, list = unix.POLLOUT, &sock.lookup.streams
	}
	list[sock.question][sock.server] = sock
	if s.socks == nil {
		s.socks = map[int]*nameSock{}
	}
	s.socks[sock.fd] = sock
	k.index[sock.fd] = len(k.polls)
	k.polls = append(k.polls, unix.PollFd{Fd: int32(sock.fd), Events: events})
}

// failed takes an error of a socket.
func (s *names) failed(k *kernel, sock *nameSock, err error, now time.Duration) {
	why := stub.Unreachable
	switch {
	case err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOBUFS:
		return // lost, as a datagram may be
	case sock.tcp:
		why = stub.TCPFailed
	case err == unix.ECONNREFUSED:
		why = stub.PortClosed
	}
	l, question, server := sock.lookup, sock.question, sock.server
	s.closeSock(k, sock)
	l.Fail(question, server, why, now)
}

// take notes that poll has something to say of fd, if it is one of s.
func (s *names) take(fd int) bool {
	sock := s.socks[fd]
	if sock == nil {
		return false
	}
	s.ready = append(s.ready, sock)
	return true
}

// receive reads what has come.
func (s *names) receive(k *kernel) {
	for _, sock := range s.ready {
		switch {
		case sock.fd < 0: // closed meanwhile
		case sock.tcp:
			s.readTCP(k, sock, k.Now())
		default:
			s.readUDP(k, sock, k.Now())
		}
	}
	s.ready = s.ready[:0]
}

func (s *names) readUDP(k *kernel, sock *nameSock, now time.Duration) {
	for sock.fd >= 0 {
		n, err := unix.Read(sock.fd, s.buffer())
		if err != nil {
			s.failed(k, sock, err, now)
			return
		}
		s.take1(sock, s.buffer()[:n], now)
	}
}

// take1 gives a message to the lookup, and keeps it if that wants it.
func (s *names) take1(sock *nameSock, m []byte, now time.Duration) {
	l := sock.lookup
	if question, keep := l.Answer(sock.server, m, sock.tcp, now); keep {
		l.messages[question][sock.server] = append([]byte{}, m...)
	}
}

func (s *names) readTCP(k *kernel, sock *nameSock, now time.Duration) {
	if len(sock.out) > 0 {
		n, err := unix.Write(sock.fd, sock.out)
		if err != nil {
			s.failed(k, sock, err, now)
			return
		}
		if sock.out = sock.out[n:]; len(sock.out) == 0 {
			k.polls[k.index[sock.fd]].Events = unix.POLLIN
		}
		return
	}
	n, err := unix.Read(sock.fd, s.buffer())
	if err == nil && n == 0 {
		err = unix.ECONNRESET
	}
	if err != nil {
		s.failed(k, sock, err, now)
		return
	}
	sock.in = append(sock.in, s.buffer()[:n]...)
	if len(sock.in) < 2 {
		return
	}
	if length := int(sock.in[0])<<8 | int(sock.in[1]); len(sock.in) >= 2+length {
		s.take1(sock, sock.in[2:2+length], now)
		l, question, server := sock.lookup, sock.question, sock.server
		s.closeSock(k, sock)
		l.Fail(question, server, stub.Malformed, now) // unless that was an answer
	}
}

// failure puts into words why a question has no answer.
func (s *names) failure(l *lookup, question int) error {
	q := l.questions[question]
	var said, silent []string
	none := l.NotFound()
	for i := range s.conf.NServers {
		server := toNetip(&s.conf.Servers[i]).String()
		switch why := l.Blame(question, i); why {
		case stub.NoData, stub.NXDomain:
			none = none || l.Found()
		case stub.Ignored, stub.Positive: // not asked, or not heeded
		case stub.NoAnswer:
			silent = append(silent, server)
		default:
			said = append(said, fmt.Sprintf("name server %s %s", server, verdicts[why]))
		}
	}
	switch {
	case !none && len(said)+len(silent) > 0:
	case q.kind == askSRV:
		return resolve.NotFound(q.host, resolve.NoService)
	default:
		return resolve.NotFound(q.host, "no such host")
	}
	e := &net.DNSError{Name: q.host, Server: strings.Join(silent, ", ")}
	if len(said) == 0 {
		e.IsTimeout = true
		e.Err = "no answer from " + nameServers(silent)
		return e
	}
	e.IsTemporary = true
	e.Err = strings.Join(said, ", ")
	if len(silent) > 0 {
		e.Err += ", no answer from " + nameServers(silent)
	}
	if domain := l.Domain(); domain != "" {
		e.Err += fmt.Sprintf(" (for %s.%s)", q.host, domain)
	}
	if l.Stopped() {
		e.Err += "; the search list is not tried, which could lead to another machine"
	}
	return e
}

func nameServers(addrs []string) string {
	if n := len(addrs); n > 1 {
		return "name servers " + strings.Join(addrs[:n-1], ", ") + " and " + addrs[n-1]
	}
	return "name server " + strings.Join(addrs, "")
}

// verdicts are what name servers have done instead of an answer.
var verdicts = [...]string{
	stub.Refused:     "refused (REFUSED)",
	stub.ServFail:    "failed (SERVFAIL)",
	stub.FormErr:     "did not understand the question (FORMERR)",
	stub.NotImp:      "does not do this (NOTIMP)",
	stub.OtherCode:   "sent an unknown error",
	stub.Lame:        "does not resolve names for this machine",
	stub.Malformed:   "sent a malformed answer",
	stub.PortClosed:  "answers nothing at port 53 (connection refused)",
	stub.Unreachable: "is out of reach",
	stub.TCPFailed:   "does not answer over TCP",
}
