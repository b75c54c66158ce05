package stub

import "time"

const (
	// nextServer is how long a server is waited for before the next one is
	// asked, too. musl asks all at once; this spares servers that are well.
	nextServer = 50 * time.Millisecond

	// silence is how long an earlier server is waited for when a later one has
	// addresses.
	silence = 100 * time.Millisecond

	// longSilence is the same when a later server says that there are none: with
	// split DNS it may be a public one that does not know internal names.
	longSilence = time.Second

	// tcpPatience is how long the whole of a truncated answer is waited for when
	// a part of it is there, and single-request's wait for an AAAA answer.
	tcpPatience = 250 * time.Millisecond

	// repeatEvery is the time between repetitions after those of repeats.
	repeatEvery = 1500 * time.Millisecond

	// confusedGap keeps the repetition of A from that of AAAA, for a server that
	// mixes up questions which come together.
	confusedGap = 125 * time.Millisecond

	never = time.Duration(1<<63 - 1)
)

// repeats are when a silent server is asked again, after the first time.
var repeats = [...]time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}

// A Lookup finds the records of one name. It walks the search list once, and
// asks for up to two types of each name on it side by side: the first name that
// has records of either is the one.
//
// Like glibc it goes on to the next name of the list where there is no such name
// (NXDOMAIN) or no such record (NODATA), and beyond a search domain whose
// servers fail. Unlike glibc it does not go on where the servers fail for a name
// that has ndots dots or more and was tried as it is: a wildcard of a search
// domain would then stand for another machine.
//
// The caller calls Send until there is nothing to send, then Result until there
// is none, waits until Due or until there is an answer, and begins again. It
// keeps the messages for which Answer returns true, as Result names them.
type Lookup struct {
	conf   *Config
	health *Health
	name   string // without the last dot
	only   bool   // as it is
	full   bool   // as it is first
	step   int    // on the search list

	questions [2]question
	n         int
	ids       uint64
	again     bool // failures of this name have been given a second chance
	confused  bool
	found     bool // this name has records: it is the one
	over      bool // no name has
	failed    bool // ... and servers failed for one that could have had
	blamed    int  // the step at which they did ...
	blame     [2][MaxServers]Verdict
}

type question struct {
	query
	off     bool // never asked
	held    bool // until the first question has been answered
	start   time.Duration
	servers [MaxServers]server

	state    state
	from     int  // the server, if state is positive
	settled  bool // no other answer is waited for
	told     state
	toldFrom int
}

// Init prepares a lookup of name's records of type first and, unless it is 0, of
// type second. conf, health and name stay the caller's and must not change, but
// for what l writes to health, which lookups of one race share. absolute, or a dot at
// the end of name, has the search list left out. seed makes the identifiers of
// questions hard to guess (RFC 5452).
func (l *Lookup) Init(conf *Config, health *Health, name string, absolute bool, first, second uint16, seed uint64, now time.Duration) {
	*l = Lookup{conf: conf, health: health, name: trimDot(name), ids: seed | 1}
	l.only = absolute || len(l.name) < len(name)
	dots := 0
	for i := 0; i < len(l.name); i++ {
		if l.name[i] == '.' {
			dots++
		}
	}
	l.full = dots >= conf.Ndots
	types := [2]uint16{first, second}
	for l.n < 2 && types[l.n] != 0 {
		l.questions[l.n].off = types[l.n] == TypeAAAA && conf.NoAAAA
		l.n++
	}
	l.step = -1
	l.nextName(types, now)
}

// Steps are the names to be tried, as domains to append: "" for the name as it
// is. ok is false at the end of the list.
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
	return l.conf.Search[step], true
}

// nextName begins with the next name of the list that can be asked for.
func (l *Lookup) nextName(types [2]uint16, now time.Duration) {
	for {
		l.step++
		domain, ok := l.domain(l.step)
		if !ok {
			l.over = true
			return
		}
		if domain == "" && l.conf.NoTLDQuery && l.singleLabel() {
			continue
		}
		valid := true
		for i := range l.n {
			l.ids ^= l.ids << 13
			l.ids ^= l.ids >> 7
			l.ids ^= l.ids << 17
			valid = valid && l.questions[i].write(uint16(l.ids>>32), types[i], l.name, domain)
			l.begin(i, now)
		}
		if l.again = false; valid {
			return
		}
	}
}

// begin makes question i new.
func (l *Lookup) begin(i int, now time.Duration) {
	q := &l.questions[i]
	q.start, q.servers, q.state = now, [MaxServers]server{}, pending
	q.held = i > 0 && l.conf.SingleRequest && !l.questions[0].off
}

func (l *Lookup) singleLabel() bool {
	for i := 0; i < len(l.name); i++ {
		if l.name[i] == '.' {
			return false
		}
	}
	return true
}

// A Packet is a question to send: by UDP the Bytes of Query, by TCP over a new
// connection their length in two bytes first.
type Packet struct {
	Question, Server int
	TCP              bool
}

// Query returns the question as it is sent. It is valid until the next call of
// Send, Answer or Fail.
func (l *Lookup) Query(question int) []byte {
	q := &l.questions[question&1]
	return q.b[:q.n]
}

// Send returns the next packet that is to be sent at now, until ok is false.
func (l *Lookup) Send(now time.Duration) (p Packet, ok bool) {
	l.advance(now)
	for i := range l.n {
		if server, _ := l.next(i, now); server >= 0 {
			s := &l.questions[i].servers[server]
			if s.said == Ignored {
				s.said, s.first, s.tcp = NoAnswer, now, l.conf.UseVC
				s.since = now
			}
			s.sends++
			s.toSend = false
			return Packet{i, server, s.tcp}, true
		}
	}
	return p, false
}

// next returns the server that question i is to go to at now, or -1 and when
// there will be one.
func (l *Lookup) next(i int, now time.Duration) (server int, due time.Duration) {
	q := &l.questions[i]
	due = never
	if l.over || q.off || q.state != pending && q.settled {
		return -1, never
	}
	if q.held {
		return -1, l.questions[0].start + tcpPatience
	}
	for j := range l.conf.NServers {
		s := &q.servers[j]
		at := never
		switch {
		case s.said == Ignored:
			if q.state != pending {
				return -1, due // another has answered
			}
			at = q.start
			if j > 0 {
				before := &q.servers[j-1]
				switch before.state() {
				case pending:
					at = before.first
					if !l.health.slow[j-1] {
						at += nextServer
					}
				case failing:
					at = now
				default:
					return -1, due
				}
			}
		case s.toSend:
			at = now
		case s.state() == pending && !s.tcp:
			at = s.first + repeatEvery*time.Duration(s.sends-len(repeats)) + repeats[len(repeats)-1]
			if s.sends <= len(repeats) && s.sends > 0 {
				at = s.first + repeats[s.sends-1]
			}
			if l.confused && i > 0 {
				at += confusedGap
			}
		}
		if at <= now {
			return j, now
		}
		due = min(due, at)
		if s.said == Ignored {
			break // nobody is asked before the one before it
		}
	}
	return -1, due
}

// Due returns when Send must be called next, unless there is an answer before.
func (l *Lookup) Due(now time.Duration) time.Duration {
	due := never
	if l.over {
		return never
	}
	for i := range l.n {
		if l.questions[i].told == pending || !l.questions[i].settled {
			_, at := l.next(i, now)
			due = min(due, at, l.decide(i, now))
		}
	}
	return due
}

// Answer takes the message m from a server, by whichever socket it came. It
// returns which question it answers, or -1, and whether the caller is to keep
// it.
func (l *Lookup) Answer(from int, m []byte, tcp bool, now time.Duration) (question int, keep bool) {
	if from < 0 || from >= MaxServers {
		return -1, false
	}
	waiting := false
	for i := range l.n {
		q := &l.questions[i]
		s := &q.servers[from]
		if s.said != NoAnswer || s.tcp && !tcp {
			continue
		}
		waiting = true
		v := q.judge(m, tcp)
		if v == Ignored {
			continue
		}
		l.health.slow[from] = false
		if v == Refused && l.isLocalRefusal(from) {
			v = NXDomain
		}
		if v == Truncated {
			var a Answer
			a.init(m, &q.query)
			s.tcp, s.toSend, s.since = true, true, now
			s.partial = a.Next()
			return i, s.partial
		}
		s.said = v
		return i, v == Positive
	}
	l.confused = l.confused || waiting
	return -1, false
}

// isLocalRefusal reports whether a server's REFUSED means that there is no such
// name: systemd-resolved says so of names without a dot, which it does not ask
// anybody for.
func (l *Lookup) isLocalRefusal(from int) bool {
	domain, _ := l.domain(l.step)
	return domain == "" && l.singleLabel() && l.conf.Servers[from&3%MaxServers].isLoopback()
}

// Fail takes from a caller that a packet could not be sent, or that a connection
// failed: PortClosed, Unreachable, Malformed or TCPFailed.
func (l *Lookup) Fail(question, from int, why Verdict, now time.Duration) {
	if question < 0 || question >= l.n || from < 0 || from >= MaxServers {
		return
	}
	if s := &l.questions[question].servers[from]; s.said == NoAnswer {
		s.said = why
	}
}

// retry asks once more where SERVFAIL, which may pass, is all that is known. It
// reports whether there is anything to ask.
func (l *Lookup) retry(now time.Duration) bool {
	if l.again || l.conf.Attempts < 2 {
		return false
	}
	asked := false
	for i := range l.n {
		q := &l.questions[i]
		if q.state != failing {
			continue
		}
		for j := range l.conf.NServers {
			if q.servers[j].said == ServFail {
				l.begin(i, now)
				q.held, asked = false, true
				break
			}
		}
	}
	l.again = asked
	return asked
}
