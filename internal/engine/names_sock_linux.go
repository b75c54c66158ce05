package engine

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"fdrace/internal/rawsys"
	"fdrace/internal/resolve"
	"fdrace/internal/stub"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// send sends the questions of l that are due.
func (s *names) send(k *kernel, l *lookup, now time.Duration) {
	for {
		p, ok := l.Send(now)
		if !ok {
			return
		}
		if p.TCP {
			s.sendTCP(k, l, p, now)
			continue
		}
		before := l.FDs[p.Question][p.Server]
		s.check(rawsys.Send(&l.Exchange, p, now))
		s.listen(k, &nameSock{fd: l.FDs[p.Question][p.Server], lookup: l, question: p.Question, server: p.Server}, before)
	}
}

func (s *names) sendTCP(k *kernel, l *lookup, p stub.Packet, now time.Duration) {
	stream := &l.streams[p.Question][p.Server]
	s.closeSocket(k, stream) // for the previous name of the search list
	fd, e := rawsys.Dial(&s.conf.Servers[p.Server], unix.SOCK_STREAM)
	if s.check(e); e != 0 {
		why := rawsys.Verdict(e)
		if rawsys.NoDescriptor(e) {
			why = stub.TCPFailed
		}
		l.Fail(p.Question, p.Server, why, now)
		return
	}
	*stream = fd
	q := l.Query(p.Question)
	s.listen(k, &nameSock{
		fd: fd, lookup: l, question: p.Question, server: p.Server,
		tcp: true, out: append([]byte{byte(len(q) >> 8), byte(len(q))}, q...),
	}, 0)
}

// listen makes poll wait for sock, unless its descriptor is the one before.
func (s *names) listen(k *kernel, sock *nameSock, before int) {
	if sock.fd == before {
		return
	}
	if before > 0 {
		s.forget(k, before)
	}
	if sock.fd == 0 {
		return
	}
	events := int16(unix.POLLIN)
	if sock.tcp {
		events = unix.POLLOUT
	}
	if s.socks == nil {
		s.socks = map[int]*nameSock{}
	}
	s.socks[sock.fd] = sock
	k.index[sock.fd] = len(k.polls)
	k.polls = append(k.polls, unix.PollFd{Fd: int32(sock.fd), Events: events})
}

// take reports whether fd is a socket of s. If so, receive will read from it.
func (s *names) take(fd int) bool {
	sock := s.socks[fd]
	if sock == nil {
		return false
	}
	s.ready = append(s.ready, sock)
	return true
}

// receive reads from the sockets that are ready.
func (s *names) receive(k *kernel) {
	for _, sock := range s.ready {
		switch {
		case s.socks[sock.fd] != sock: // closed meanwhile
		case sock.tcp:
			s.readTCP(k, sock, k.Now())
		default:
			s.readUDP(k, sock, k.Now())
		}
	}
	s.ready = s.ready[:0]
}

func (s *names) readUDP(k *kernel, sock *nameSock, now time.Duration) {
	l := sock.lookup
	for {
		m, kept, ok := rawsys.Receive(&l.Exchange, sock.question, sock.server, s.buffer(), now)
		if !ok {
			break
		}
		if kept >= 0 {
			l.Messages[kept][sock.server] = slices.Clone(m)
		}
	}
	if l.FDs[sock.question][sock.server] != sock.fd {
		s.forget(k, sock.fd)
	}
}

func (s *names) readTCP(k *kernel, sock *nameSock, now time.Duration) {
	l, question, server := sock.lookup, sock.question, sock.server
	why := stub.TCPFailed
	var n int
	var err error
	if len(sock.out) > 0 {
		if n, err = unix.Write(sock.fd, sock.out); err == nil {
			if sock.out = sock.out[n:]; len(sock.out) == 0 {
				k.polls[k.index[sock.fd]].Events = unix.POLLIN
			}
			return
		}
	} else if n, err = unix.Read(sock.fd, s.buffer()); n > 0 {
		if sock.in = append(sock.in, s.buffer()[:n]...); len(sock.in) < 2 {
			return
		}
		m, length := sock.in[2:], int(sock.in[0])<<8|int(sock.in[1])
		if len(m) < length {
			return
		}
		m = m[:length]
		if q, keep := l.Answer(server, m, true, now); keep {
			l.Messages[q][server] = m
		}
		why = stub.Malformed // unless that was an answer
	}
	if err != unix.EAGAIN && err != unix.EINTR {
		s.closeSocket(k, &l.streams[question][server])
		l.Fail(question, server, why, now)
	}
}

// failure returns why a question has no answer.
func (s *names) failure(l *lookup, question int) error {
	q := l.questions[question]
	var asked, said, silent []string
	none := l.NotFound()
	for i := range s.conf.NServers {
		server := toNetip(&s.conf.Servers[i]).String()
		switch why := l.Blame(question, i); why {
		case stub.NoData, stub.NXDomain:
			none = none || l.Found()
			continue
		case stub.Ignored, stub.Positive: // it was not asked, or its answer is not the one used
			continue
		case stub.NoAnswer:
			silent = append(silent, server)
		default:
			said = append(said, server+" "+verdicts[why])
		}
		asked = append(asked, server)
	}
	switch {
	case !none && len(said)+len(silent) > 0:
	case q.kind == askSRV:
		return resolve.NotFound(q.host, resolve.NoService)
	case q.kind == askAAAA && len(l.questions) == 1 && s.conf.NoAAAA:
		return resolve.NotFound(q.host, "the option no-aaaa turns off the lookup of IPv6 addresses")
	case l.Found(), l.Exists() && len(l.questions) == 1:
		return resolve.NotFound(q.host, "it has no "+q.kind.family().String()+" address in DNS")
	case l.Exists():
		return resolve.NotFound(q.host, "it has no address in DNS")
	default:
		return resolve.NotFound(q.host, resolve.NoSuchHost)
	}
	e := &net.DNSError{Name: q.host, Server: strings.Join(asked, ", ")}
	if len(said) == 0 {
		e.IsTimeout = true
		e.Err = "no answer from " + nameServers(silent)
		return e
	}
	e.IsTemporary = true
	e.Err = "name server " + strings.Join(said, ", ")
	if len(silent) > 0 {
		e.Err += ", no answer from " + nameServers(silent)
	}
	if domain := l.Domain(); domain != "" {
		e.Err += fmt.Sprintf(" (for %s)", term.Sanitize(q.host+"."+domain))
	}
	if l.Stopped() {
		e.Err += "; the search list is not tried: a wildcard there could lead to another machine"
	}
	return e
}

func nameServers(addrs []string) string {
	if n := len(addrs); n > 1 {
		return "name servers " + strings.Join(addrs[:n-1], ", ") + " and " + addrs[n-1]
	}
	return "name server " + strings.Join(addrs, "")
}

// verdicts describe what name servers have done instead of answering.
var verdicts = [...]string{
	stub.Refused:     "refused (REFUSED)",
	stub.ServFail:    "failed (SERVFAIL)",
	stub.FormErr:     "did not understand the question (FORMERR)",
	stub.NotImp:      "does not support the question (NOTIMP)",
	stub.OtherCode:   "sent an unknown error",
	stub.Lame:        "does not resolve names for this machine",
	stub.Malformed:   "sent a malformed answer",
	stub.PortClosed:  "answers nothing at port 53 (connection refused)",
	stub.Unreachable: "cannot be reached",
	stub.TCPFailed:   "does not answer over TCP",
}
