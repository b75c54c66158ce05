package race

import (
	"net/netip"
	"os"
	"slices"
	"time"

	"fdrace/internal/stub"
	"fdrace/race/resolve"

	"golang.org/x/sys/unix"
)

// Files that a test may replace.
var (
	hostsPath  = "/etc/hosts"
	resolvPath = "/etc/resolv.conf"
	gaiPath    = "/etc/gai.conf"
)

// maxNames is how many names are looked up at a time: each takes two sockets
// from the server's answer, and more if it is silent.
const maxNames = 128

// names looks up the names of one race, as package stub says: its sockets are in
// the race's poll, and it starts no goroutine.
type names struct {
	conf    *stub.Config // once read
	health  *stub.Health
	lookups []*lookup // those under way, in order
	answers []answer  // not yet taken by Wait
	socks   map[int]*nameSock
	ready   []*nameSock // what poll has said of, in one Wait
	buf     []byte
}

// A lookup is that of one name, or of one service.
type lookup struct {
	stub.Lookup
	questions []question // the race's, in the order of stub's
	started   bool
	socks     [2][stub.MaxServers]*nameSock
	streams   [2][stub.MaxServers]*nameSock
	messages  [2][stub.MaxServers][]byte
	told      [2][]netip.Addr
	over      [2]bool
}

// A nameSock is a socket for one question to one name server.
type nameSock struct {
	fd               int
	lookup           *lookup
	question, server int
	tcp              bool
	out, in          []byte // of TCP: what is to be written, what has been read
}

// begin takes q if it is for the name servers. What it finds, and what it asks
// for, comes with the next step: of questions for both families of a name only
// the last makes it complete.
func (s *names) begin(q question) bool {
	switch q.kind {
	case askA, askAAAA:
		if resolve.IsMDNS(q.host) {
			return false
		}
	case askSRV, askNAT64:
	default:
		return false
	}
	if n := len(s.lookups); n > 0 {
		l := s.lookups[n-1]
		if first := l.questions[0]; !l.started && len(l.questions) == 1 && q.kind == askA && first.kind == askAAAA && first.lane == q.lane && first.host == q.host {
			l.questions = append(l.questions, q)
			return true
		}
	}
	s.lookups = append(s.lookups, &lookup{questions: []question{q}})
	return true
}

// step does all that is due, and returns when there is more to do unless a
// message comes before.
func (s *names) step(k *kernel) (due time.Duration) {
	due = never
	under := 0
	for _, l := range s.lookups {
		if !l.started {
			if under == maxNames {
				break
			}
			l.started = true
			s.start(k, l)
		}
		under++
		if now := k.Now(); !l.over[0] || len(l.questions) > 1 && !l.over[1] {
			s.send(k, l, now)
			s.results(k, l, now)
			due = min(due, l.Due(now))
		}
	}
	s.lookups = slices.DeleteFunc(s.lookups, func(l *lookup) bool {
		return l.started && l.over[0] && (len(l.questions) == 1 || l.over[1])
	})
	if len(s.answers) > 0 {
		return 0
	}
	return due
}

// start looks for what needs no name server, and else makes l ask.
func (s *names) start(k *kernel, l *lookup) {
	q := l.questions[0]
	first, second := uint16(stub.TypeAAAA), uint16(0)
	host := q.host
	switch {
	case q.kind == askSRV:
		first = stub.TypeSRV
	case q.kind == askNAT64:
		host = resolve.IPv4Only
	default:
		if s.fromHosts(k, l) {
			return
		}
		if q.kind == askA {
			first = stub.TypeA
		}
		if len(l.questions) > 1 {
			second = stub.TypeA
		}
	}
	if s.conf == nil {
		s.readConfig(k)
	}
	if x := k.dialer.Asked[q.host]; x != nil {
		delete(k.dialer.Asked, q.host)
		s.adopt(k, l, x)
		return
	}
	absolute := q.kind == askSRV || q.kind == askNAT64
	l.Init(s.conf, s.health, host, absolute, first, second, random(), k.Now())
}

// fromHosts reports whether /etc/hosts, or the name itself, says all there is
// to know.
func (s *names) fromHosts(k *kernel, l *lookup) bool {
	host := l.questions[0].host
	var four, six []netip.Addr
	if stub.IsLocalhost(host) { // RFC 6761 section 6.3
		six, four = []netip.Addr{netip.IPv6Loopback()}, []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	inFile := s.scanHosts(host)
	if len(inFile) > 0 {
		four, six = nil, nil
		for _, a := range inFile {
			if a.Is4() {
				four = append(four, a)
			} else {
				six = append(six, a)
			}
		}
	}
	var none error
	switch {
	case len(four)+len(six) > 0:
		none = resolve.NotFound(host, "/etc/hosts has it, but not in this family")
	case stub.IsOnion(host):
		none = resolve.NotFound(host, "a name of Tor, which DNS is not asked for (RFC 7686): it takes a proxy")
	default:
		return false
	}
	for i, q := range l.questions {
		a := answer{question: q, addrs: four}
		if q.kind == askAAAA {
			a.addrs = six
		}
		if len(a.addrs) == 0 {
			a.err = none
		}
		s.answers = append(s.answers, a)
		l.over[i] = true
	}
	return true
}

// scanHosts returns every address that /etc/hosts has for name, once each. A
// file that cannot be read has none.
func (s *names) scanHosts(name string) (addrs []netip.Addr) {
	fd, err := unix.Open(hostsPath, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	buf := s.buffer()
	var h stub.Hosts
	h.Init(name)
	for end := false; !end; {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		b := buf[:max(n, 0)]
		if end = len(b) == 0; end {
			b = append(b, '\n')
		}
		for len(b) > 0 {
			n, found := h.Scan(b)
			if a := toNetip(&h.Addr); found && !slices.Contains(addrs, a) {
				addrs = append(addrs, a)
			}
			b = b[n:]
		}
	}
	return addrs
}

// buffer is where files and messages are read into. Its pages cost nothing
// before they are touched.
func (s *names) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	return s.buf
}

// adopt makes x, which was begun before the race, the lookup of l.
func (s *names) adopt(k *kernel, l *lookup, x *stub.Exchange) {
	l.Lookup, l.messages = x.Lookup, x.Messages
	l.Repeat()
	for i := range x.FDs {
		for j, fd := range x.FDs[i] {
			if fd > 0 {
				s.listen(k, &nameSock{fd: fd, lookup: l, question: i, server: j})
			}
		}
	}
}

func (s *names) readConfig(k *kernel) {
	for _, x := range k.dialer.Asked {
		s.conf, s.health = x.Config, x.Health
		return
	}
	s.conf, s.health = &stub.Config{}, &stub.Health{}
	var host unix.Utsname
	_ = unix.Uname(&host) // no name, no domain
	s.conf.Parse(s.readFile(resolvPath), os.Getenv("LOCALDOMAIN"), os.Getenv("RES_OPTIONS"), unix.ByteSliceToString(host.Nodename[:]))
	if s.conf.Rotate {
		s.conf.RotateBy(int(random() % uint64(s.conf.NServers)))
	}
}

// readFile returns the beginning of a file, "" if it cannot be read. It goes
// around package os, which would set up a poller for it.
func (s *names) readFile(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	buf, n := s.buffer(), 0
	for n < len(buf) {
		m, err := unix.Read(fd, buf[n:])
		if m <= 0 && err != unix.EINTR {
			break
		}
		n += max(m, 0)
	}
	return string(buf[:n])
}

// random makes identifiers of questions hard to guess.
func random() (r uint64) {
	var b [8]byte
	if _, err := unix.Getrandom(b[:], 0); err != nil {
		return uint64(time.Now().UnixNano()) // before Linux 3.17
	}
	for _, c := range b {
		r = r<<8 | uint64(c)
	}
	return r
}

// results takes what l has found out.
func (s *names) results(k *kernel, l *lookup, now time.Duration) {
	for {
		r, ok := l.Result(now)
		if !ok {
			return
		}
		q := l.questions[r.Question]
		a := answer{question: q, more: r.More}
		first := l.told[r.Question] == nil
		switch {
		case r.Server >= 0:
			if r.Replaces {
				a.replaces = l.told[r.Question]
			}
			s.read1(&a, l, r.Question, l.messages[r.Question][r.Server])
			l.told[r.Question] = append([]netip.Addr{}, a.addrs...)
		case r.Replaces:
			a.replaces = l.told[r.Question]
		case first:
			a.err = s.failure(l, r.Question)
		}
		if !r.More {
			l.over[r.Question] = true
			s.closeQuestion(k, l, r.Question)
		}
		s.answers = append(s.answers, a)
	}
}

// read1 makes a have what message m says.
func (s *names) read1(a *answer, l *lookup, question int, m []byte) {
	var records stub.Answer
	var services []resolve.Service
	for l.Records(&records, question, m); records.Next(); {
		if a.kind != askSRV {
			a.addrs = append(a.addrs, toNetip(&records.Addr))
			continue
		}
		host, ok := stub.AppendName(make([]byte, 0, 254), m, records.SRV.Target)
		if ok {
			services = append(services, resolve.Service{Host: string(host), Port: records.SRV.Port, Priority: records.SRV.Priority, Weight: records.SRV.Weight})
		}
	}
	switch a.kind {
	case askSRV:
		a.services, a.err = resolve.OrderServices(a.host, services, random)
	case askNAT64:
		a.prefixes, a.addrs = resolve.PrefixesIn(a.addrs), nil
	}
}

// toNetip returns a, whose zone netip keeps.
func toNetip(a *stub.Addr) netip.Addr {
	if a.Is4 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	addr := netip.AddrFrom16(a.IP)
	if a.Zone[0] != 0 {
		addr = addr.WithZone(a.ZoneString())
	}
	return addr
}

// close ends all that is under way.
func (s *names) close(k *kernel) {
	for _, l := range s.lookups {
		for i := range l.questions {
			s.closeQuestion(k, l, i)
		}
	}
	s.lookups = nil
}

func (s *names) closeQuestion(k *kernel, l *lookup, i int) {
	for j := range stub.MaxServers {
		for _, sock := range []*nameSock{l.socks[i][j], l.streams[i][j]} {
			if sock != nil {
				s.closeSock(k, sock)
			}
		}
	}
}

func (s *names) closeSock(k *kernel, sock *nameSock) {
	l := sock.lookup
	list := &l.socks
	if sock.tcp {
		list = &l.streams
	}
	list[sock.question][sock.server] = nil
	unix.Close(sock.fd)
	k.forget(sock.fd)
	delete(s.socks, sock.fd)
	sock.fd = -1
}

// abandon ends the lookup of q, and says what the name servers have made of it.
func (s *names) abandon(k *kernel, q question) error {
	for _, l := range s.lookups {
		if i := slices.Index(l.questions, q); i >= 0 && l.started && !l.over[i] {
			err := s.failure(l, i)
			l.over[i] = true
			s.closeQuestion(k, l, i)
			return err
		}
	}
	return nil
}
