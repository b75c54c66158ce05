package stub

import "time"

const (
	// nextServer is how long a server may be silent before the next one is asked, too.
	// musl asks all of them at once; this saves a question if the first server works.
	nextServer = 50 * time.Millisecond

	// silence is how long an earlier server may be silent before a later one's
	// addresses are used.
	silence = 100 * time.Millisecond

	// longSilence is how long an earlier server may be silent before a later one's
	// answer that there are no addresses is used: with split DNS, the later one may be
	// a public server that does not know internal names.
	longSilence = time.Second

	// tcpPatience is how long TCP may take before a truncated answer is used, and
	// how long single-request waits for the first answer.
	tcpPatience = 250 * time.Millisecond

	// repeatEvery is the time between repetitions after the last time in repeats.
	repeatEvery = 1500 * time.Millisecond

	// confusedGap separates the repetition of a question from that of the other one,
	// for a server that mixes up questions that arrive together.
	confusedGap = 125 * time.Millisecond

	never = time.Duration(1<<63 - 1)
)

// repeats are the times at which a silent server is asked again, since it was first asked.
var repeats = [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}

// A Lookup finds the records of one name. It walks the search list once, and
// asks for up to two types of records of each name in parallel. The first name
// with records of either type is the answer.
//
// Like glibc it goes on to the next name of the list if a name does not exist
// (NXDOMAIN) or has no such records (NODATA), and if the servers fail for a name
// below a search domain. Unlike glibc it stops if they fail for a name that has
// ndots dots or more and was tried as it is: a wildcard in a search domain could
// answer for another machine.
//
// The caller calls Send until there is nothing to send, then Result until there is no
// result, waits until Due or until a message arrives, and begins again. It passes each
// message to Answer, and keeps those for which Answer says so, by question and server: a
// Result refers to a message by these.
type Lookup struct {
	conf   *Config
	health *Health
	name   string // without a trailing dot
	only   bool   // the search list is not used
	full   bool   // the name is tried as it is before the search list
	step   int    // the argument of domain for the current name

	questions [2]question
	n         int
	ids       uint64
	again     bool                   // servers that answered SERVFAIL for this name were asked again
	confused  bool                   // a server's message answered no question
	found     bool                   // the current name has records: it is the answer
	exists    bool                   // an earlier name exists, but has no such records
	over      bool                   // no name has records
	failed    bool                   // servers failed for a name
	blamed    int                    // the step of the last name for which they failed
	blame     [2][MaxServers]Verdict // the verdicts for that name, by question and server
}

type question struct {
	query
	off     bool // it is not asked
	held    bool // it is not asked before the first question has been answered
	start   time.Duration
	end     time.Duration // when to stop waiting for answers
	servers [MaxServers]server

	state        state
	from         int  // the server whose records count, if state is positive
	settled      bool // the state is final for this name
	reported     reported
	reportedFrom int // the server whose records Result returned
}

// question returns question i.
func (l *Lookup) question(i int) *question { return &l.questions[i&1] }

// server returns the state of server j. Indices in this package are masked or bounded so
// that the compiler adds no bounds check, whose failure could not be handled before Go's
// runtime has started.
func (q *question) server(j int) *server { return &q.servers[at(j)] }

func at(server int) uint { return min(uint(server), MaxServers-1) }

// reported is what Result has returned for a question.
type reported byte

const (
	unreported  reported = iota
	provisional          // records, with More
	final                // the Result without More
)

// Init prepares a lookup of name's records of type first and, unless it is 0, of
// type second. conf, health and name remain the caller's, who must not change conf and
// name. l writes to health, which the lookups of one race share. The search list is not
// used if absolute is set or name ends in a dot. seed is a random number that makes the
// IDs of the questions hard to guess (RFC 5452). A name below .onion is not found: no
// server is asked for it (RFC 7686).
func (l *Lookup) Init(conf *Config, health *Health, name string, absolute bool, first, second uint16, seed uint64, now time.Duration) {
	*l = Lookup{conf: conf, health: health, name: trimDot(name), ids: seed | 1, step: -1}
	l.only = absolute || len(l.name) < len(name)
	dots := 0
	for i := 0; i < len(l.name); i++ {
		if l.name[i] == '.' {
			dots++
		}
	}
	l.full = dots >= conf.Ndots
	for _, t := range [2]uint16{first, second} {
		if t == 0 {
			break
		}
		q := &l.questions[l.n&1]
		q.kind, q.off = t, t == TypeAAAA && conf.NoAAAA
		l.n++
	}
	if l.over = IsOnion(l.name); !l.over {
		l.nextName(now)
	}
}

// bound returns how long the questions for one name may take.
func (l *Lookup) bound() time.Duration { return l.conf.Timeout * time.Duration(l.conf.Attempts) }

// domain returns what step of the search list appends to the name: "" for the
// name as it is. ok is false after the last step.
func (l *Lookup) domain(step int) (domain string, ok bool) {
	switch {
	case step < 0:
		return "", false
	case l.only:
		return "", step == 0
	case l.full && step == 0, !l.full && step == l.conf.NSearch:
		return "", true
	case l.full:
		step--
	}
	if step >= l.conf.NSearch || step >= maxSearch {
		return "", false
	}
	return l.conf.Search[uint(step)%maxSearch], true
}

// nextName goes on to the next valid name.
func (l *Lookup) nextName(now time.Duration) {
	for {
		l.step++
		domain, ok := l.domain(l.step)
		if !ok {
			l.over = true
			return
		}
		if domain == "" && l.conf.NoTLDQuery && l.singleLabel() || isBelow(domain, "onion") {
			continue
		}
		valid := true
		for i := range l.n {
			l.ids ^= l.ids << 13
			l.ids ^= l.ids >> 7
			l.ids ^= l.ids << 17
			q := l.question(i)
			valid = q.write(uint16(l.ids>>32), q.kind, l.name, domain) && valid
			q.begin(now)
			q.end = now + l.bound()
			q.held = i > 0 && l.conf.SingleRequest && !l.questions[0].off
		}
		if l.again = false; valid {
			return
		}
	}
}

// begin forgets the servers' answers to q.
func (q *question) begin(now time.Duration) {
	q.start, q.servers, q.state, q.settled = now, [MaxServers]server{}, pending, false
}

func (l *Lookup) singleLabel() bool {
	for i := 0; i < len(l.name); i++ {
		if l.name[i] == '.' {
			return false
		}
	}
	return true
}

// A Packet is a question to send: the bytes of Query in one datagram or, if TCP is set,
// over a new TCP connection, after two bytes with their length (RFC 1035 section 4.2.2).
type Packet struct {
	Question, Server int
	TCP              bool
}

// Query returns a question in wire format. It is valid until the next call of
// Send, Result, Answer or Fail.
func (l *Lookup) Query(question int) []byte {
	q := &l.questions[question&1]
	return q.b[:min(max(q.n, 0), len(q.b))]
}

// Send returns the next packet to send at now. ok is false if there is none.
func (l *Lookup) Send(now time.Duration) (p Packet, ok bool) {
	l.advance(now)
	for i := range l.n {
		if j, _ := l.next(i, now); j >= 0 {
			s := l.question(i).server(j)
			if s.verdict == Ignored {
				s.verdict, s.first, s.since, s.tcp = NoAnswer, now, now, l.conf.UseVC
			}
			s.toSend = false
			s.sends++
			for !s.tcp && s.repeatAt() <= now {
				s.sends++ // the caller is late: skip repetitions that it has missed
			}
			return Packet{i, j, s.tcp}, true
		}
	}
	return p, false
}

// repeatAt returns when a silent server is to be asked again.
func (s *server) repeatAt() time.Duration {
	if n := s.sends - 1; uint(n) < uint(len(repeats)) {
		return s.first + repeats[n]
	}
	return s.first + repeats[len(repeats)-1] + repeatEvery*time.Duration(s.sends-len(repeats))
}

// next returns the server to which question i must be sent at now, or -1 and the
// time at which there will be one.
func (l *Lookup) next(i int, now time.Duration) (server int, due time.Duration) {
	q := l.question(i)
	if l.over || q.off || q.settled {
		return -1, never
	}
	if q.held {
		return -1, l.questions[0].start + tcpPatience
	}
	due = never
	before := q.server(0)
	for j := range l.conf.NServers {
		s := q.server(j)
		when := never
		switch {
		case s.verdict == Ignored:
			if when = q.start; j > 0 {
				when = l.after(before, j-1, now)
			}
			if q.state != pending {
				when = never // another server has answered
			}
		case s.toSend:
			when = now
		case s.verdict == NoAnswer && !s.tcp:
			when = s.repeatAt()
			if i+1 < l.n && l.conf.SingleRequest || i > 0 && l.confused && !l.conf.SingleRequest {
				if l.question(1-i).server(j).state() == pending {
					when += confusedGap
				}
			}
		}
		if when <= now {
			return j, now
		}
		due = min(due, when)
		if s.verdict == Ignored {
			break // the servers after it are not asked before it
		}
		before = s
	}
	return -1, due
}

// after returns when to ask the server that follows j, whose state is s.
func (l *Lookup) after(s *server, j int, now time.Duration) time.Duration {
	switch s.state() {
	case failing:
		return now
	case pending:
		if l.health.slow[at(j)] {
			return s.since
		}
		return s.since + nextServer
	}
	return never
}

// Due returns when Send must be called next, unless a message arrives before. If Send and
// Result have returned ok == false, it is later than now.
func (l *Lookup) Due(now time.Duration) time.Duration {
	due := never
	if l.over {
		return due
	}
	for i := range l.n {
		_, at := l.next(i, now)
		due = min(due, at, l.decide(i, now))
	}
	return due
}

// Answer handles the message m from server from. It returns the question that m answers,
// or -1, and whether the caller must keep m, because a Result may refer to it.
func (l *Lookup) Answer(from int, m []byte, tcp bool, now time.Duration) (question int, keep bool) {
	if from < 0 || from >= MaxServers {
		return -1, false
	}
	waiting := false
	for i := range l.n {
		q := l.question(i)
		s := q.server(from)
		if s.verdict != NoAnswer || s.tcp && !tcp || q.reported == final {
			continue
		}
		waiting = true
		v := q.judge(m, tcp)
		if v == Ignored {
			continue
		}
		l.health.slow[at(from)] = false
		if v == Refused && l.isLocalRefusal(from) {
			v = NXDomain
		}
		s.since = now
		if v == Truncated {
			var a Answer
			a.init(m, &q.query)
			s.tcp, s.toSend, s.partial = true, true, a.Next()
			return i, s.partial
		}
		if v == Positive && s.partial {
			s.partial = false
			if q.reportedFrom == from {
				q.reportedFrom = -1 // this is more than was reported
			}
		}
		s.verdict = v
		return i, v == Positive
	}
	l.confused = l.confused || waiting
	return -1, false
}

// isLocalRefusal reports whether REFUSED from a server means that the name does
// not exist: systemd-resolved's stub refuses names of a single label, which it
// asks no name server for.
func (l *Lookup) isLocalRefusal(from int) bool {
	domain, _ := l.domain(l.step)
	return domain == "" && l.singleLabel() && l.conf.Servers[at(from)].isLoopback()
}

// Fail records that a question could not be sent, or that a TCP connection failed. why is
// PortClosed, Unreachable, Malformed or TCPFailed. The last two are about a connection, and
// are ignored if that was for an earlier name.
func (l *Lookup) Fail(question, from int, why Verdict, now time.Duration) {
	if question < 0 || question >= l.n || from < 0 || from >= MaxServers {
		return
	}
	byTCP := why == Malformed || why == TCPFailed
	if s := l.question(question).server(from); s.verdict == NoAnswer && (s.tcp || !byTCP) {
		s.verdict, s.since = why, now
	}
}
