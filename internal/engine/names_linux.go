package engine

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"fdrace/internal/rawsys"
	"fdrace/internal/resolve"
	"fdrace/internal/stub"
)

// maxNames is how many names are looked up at a time: each takes two sockets
// until the server answers, and more if it is silent.
const maxNames = 128

// nameTurn is how long a silent name counts towards maxNames. Tests shorten it.
var nameTurn = time.Second

// names looks up the names of one race. Package stub decides what to do, package rawsys
// does it. The sockets are in the race's poll: no goroutine is started.
type names struct {
	conf    *stub.Config // once read
	health  *stub.Health
	lookups []*lookup // in progress, in order
	answers []answer  // not yet taken by Wait
	socks   map[int]*nameSock
	full    error       // set if no descriptor was left in this step
	ready   []*nameSock // those that poll found ready in this Wait
	buf     []byte
}

// A lookup finds the addresses of one name, or the targets of one service.
type lookup struct {
	stub.Exchange
	questions []question // of the race, in the order of those of the Exchange
	started   bool
	began     time.Duration           // since the race began
	scanned   bool                    // the name is not in /etc/hosts
	streams   [2][stub.MaxServers]int // TCP sockets; FDs are the UDP sockets
	reported  [2][]netip.Addr         // by question: the addresses of the last answer; nil before the first
	over      [2]bool                 // by question: finished
}

// A nameSock is a socket for one question to one name server.
type nameSock struct {
	fd               int
	lookup           *lookup
	question, server int
	tcp              bool
	out, in          []byte // TCP only: bytes still to be written, bytes that were read
}

// begin queues q if it is for the name servers, and reports whether it is. The lookup starts
// in the next step, as the question for the other family of a name comes right after.
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

// step does what is due. It returns when it must be called next, unless a message
// arrives before.
func (s *names) step(k *kernel) (due time.Duration) {
	due = never
	active := 0
	for _, l := range s.lookups {
		first := !l.started
		if first {
			if active == maxNames {
				break
			}
			s.full, l.started, l.began = nil, true, k.Now()
			s.start(k, l)
		}
		if turn := l.began + nameTurn; turn > k.Now() {
			active++
			due = min(due, turn)
		}
		if now := k.Now(); !l.over[0] || len(l.questions) > 1 && !l.over[1] {
			if !first || s.full == nil {
				s.send(k, l, now)
			}
			if first && s.full != nil && !l.hasSocket() {
				if len(k.index) > 0 {
					l.started = false // it begins when something else has ended
					break
				}
				s.fail(l, s.full)
				continue
			}
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

func (l *lookup) hasSocket() bool {
	return l.FDs != [2][stub.MaxServers]int{} || l.streams != [2][stub.MaxServers]int{}
}

// fail ends l before it has sent a question.
func (s *names) fail(l *lookup, err error) {
	for i, q := range l.questions {
		s.answers = append(s.answers, answer{question: q, err: err})
		l.over[i] = true
	}
}

// start answers l without a name server if it can, and otherwise prepares its questions.
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
		if !l.scanned && s.fromHosts(k, l) || s.full != nil {
			return
		}
		l.scanned = true
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
	if x := k.started.Lookups[q.host]; x != nil {
		delete(k.started.Lookups, q.host)
		s.adopt(k, l, x)
		return
	}
	if s.full != nil {
		s.conf = nil // to be read again
		return
	}
	absolute := q.kind == askSRV || q.kind == askNAT64
	l.Config, l.Health = s.conf, s.health
	l.Init(s.conf, s.health, host, absolute, first, second, rawsys.Random(), k.Now())
}

// adopt makes l go on with x, which was begun before the race.
func (s *names) adopt(k *kernel, l *lookup, x *stub.Exchange) {
	l.Exchange = *x
	l.Repeat()
	for i := range x.FDs {
		for j, fd := range x.FDs[i] {
			s.listen(k, &nameSock{fd: fd, lookup: l, question: i, server: j}, 0)
		}
	}
}

// results collects the results of l.
func (s *names) results(k *kernel, l *lookup, now time.Duration) {
	for {
		r, ok := l.Result(now)
		if !ok {
			return
		}
		q := l.questions[r.Question]
		a := answer{question: q, more: r.More}
		first := l.reported[r.Question] == nil
		switch {
		case r.Server >= 0:
			if r.Replaces {
				a.replaces = l.reported[r.Question]
			}
			readRecords(&a, l, r.Question, l.Messages[r.Question][r.Server])
			l.reported[r.Question] = append([]netip.Addr{}, a.addrs...)
		case r.Replaces:
			a.replaces, a.err = l.reported[r.Question], s.failure(l, r.Question)
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

// readRecords fills a from the records in m, a message that answers question.
func readRecords(a *answer, l *lookup, question int, m []byte) {
	var records stub.Answer
	var services []resolve.Service
	invalid := false
	for l.Records(&records, question, m); records.Next(); {
		if a.kind != askSRV {
			a.addrs = append(a.addrs, toNetip(&records.Addr))
			continue
		}
		host, ok := stub.AppendName(make([]byte, 0, 254), m, records.SRV.Target)
		if invalid = invalid || !ok || !isHostName(host); ok && isHostName(host) {
			services = append(services, resolve.Service{Host: string(host), Port: records.SRV.Port, Priority: records.SRV.Priority, Weight: records.SRV.Weight})
		}
	}
	switch a.kind {
	case askSRV:
		a.services, a.err = resolve.OrderServices(a.host, services, rawsys.Random)
		if invalid && a.err != nil {
			a.err = errors.New("its SRV record has a target that is not a host name")
		}
	case askNAT64:
		a.prefixes, a.addrs = resolve.NAT64PrefixesFrom(a.addrs), nil
	}
}

// isHostName reports whether all bytes of name are allowed in a host name by glibc
// (res_hnok): then a terminal will not take any for a control sequence. An empty name
// means that a service is not offered.
func isHostName(name []byte) bool {
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// refresh makes later lookups read the configuration again.
func (s *names) refresh() { s.conf, s.health = nil, nil }

// close ends all lookups.
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
		s.closeSocket(k, &l.FDs[i][j])
		s.closeSocket(k, &l.streams[i][j])
	}
}

// closeSocket closes a socket, if there is one.
func (s *names) closeSocket(k *kernel, fd *int) {
	if *fd > 0 {
		rawsys.Close(*fd)
		s.forget(k, *fd)
	}
	*fd = 0
}

// forget takes fd, which is closed, out of the poll.
func (s *names) forget(k *kernel, fd int) {
	k.forget(fd)
	delete(s.socks, fd)
}

// abandon ends the lookup of q. The error says why there is no answer so far.
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
