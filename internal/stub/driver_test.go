package stub

import (
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const ms = time.Millisecond

// A network has name servers, lookups that ask them, and a clock that moves
// only when nothing is left to do.
type network struct {
	t       testing.TB
	conf    *Config
	health  *Health
	servers [MaxServers]script
	asked   map[string]int // per server and question
	lookups []*client
	events  []event
	now     time.Duration
	log     []string
}

// A script has the replies of a name server to "A name", to "A *" and to "*",
// whichever is there first. Several replies, between commas, are for several
// times that the question is asked; the last one is for all that follow. A reply
// is a time in ms and what comes then:
//
//	20 192.0.2.5 192.0.2.6      addresses; 20 srv 10 0 22 host.example
//	20 nodata                   or nxdomain, servfail, refused, formerr, notimp, lame
//	20 closed                   or noroute: what the caller learns from the kernel
//	20 malformed                or wrong-id, other-name, swap (of IDs)
//	20 tc 192.0.2.5 > 30 fail   a truncated answer, and what follows by TCP
//	silent
type script map[string]string

type client struct {
	name, types string
	absolute    bool
	at          time.Duration
	started     bool
	l           Lookup
	kept        map[[2]int][]byte
	asked       map[[2]int]time.Duration // by question and server: when first, for this name
	step        int
	answered    bool // by a whole message with records
	reported    [2]reported
	finals      int
}

type event struct {
	at       time.Duration
	c        *client
	question int
	server   int
	tcp      bool
	m        []byte
	fail     Verdict
}

func newNetwork(t testing.TB, conf string, servers ...script) *network {
	n := &network{t: t, conf: new(Config), health: new(Health), asked: map[string]int{}}
	for i, s := range servers {
		conf = fmt.Sprintf("nameserver 192.0.2.%d\n", 201+i) + conf
		n.servers[i] = s
	}
	lines := strings.SplitAfter(conf, "\n")
	sort.SliceStable(lines, func(i, j int) bool { return strings.HasPrefix(lines[i], "nameserver") && lines[i] < lines[j] })
	n.conf.Parse(strings.Join(lines, ""), "", "", "")
	return n
}

// lookUp adds a lookup that starts at at. types are "AAAA A" unless given.
func (n *network) lookUp(at time.Duration, name string, types string, absolute bool) {
	n.lookups = append(n.lookups, &client{name: name, types: types, absolute: absolute, at: at, kept: map[[2]int][]byte{}})
}

var typeNames = map[uint16]string{TypeA: "A", TypeAAAA: "AAAA", TypeSRV: "SRV"}

func (n *network) logf(format string, args ...any) {
	n.log = append(n.log, strconv.FormatFloat(float64(n.now)/float64(ms), 'f', -1, 64)+" "+fmt.Sprintf(format, args...))
}

// run runs all lookups to their ends and returns the log.
func (n *network) run() string {
	for steps := 0; ; steps++ {
		if steps > 10000 {
			n.t.Fatalf("no end:\n%s", strings.Join(n.log[:50], "\n"))
		}
		next := never
		for i, c := range n.lookups {
			if !c.started && c.at <= n.now {
				c.start(n, uint64(i+1))
			}
			if !c.started {
				next = min(next, c.at)
				continue
			}
			n.drain(c)
			due := c.l.Due(n.now)
			if due <= n.now {
				n.t.Fatalf("nothing to do at %v, but Due is %v:\n%s", n.now, due, strings.Join(n.log, "\n"))
			}
			if c.finals == c.l.n && due != never {
				n.t.Errorf("%s has ended, but is due at %v", c.name, due)
			}
			next = min(next, due)
		}
		for _, e := range n.events {
			next = min(next, e.at)
		}
		if next == never {
			break
		}
		n.now = max(n.now, next)
		n.deliver()
	}
	for _, c := range n.lookups {
		if c.finals != c.l.n {
			n.t.Errorf("%s has not ended", c.name)
		}
	}
	return strings.Join(n.log, "\n") + "\n"
}

func (c *client) start(n *network, seed uint64) {
	c.started = true
	var types [2]uint16
	for i, name := range strings.Fields(c.types) {
		for t, known := range typeNames {
			if known == name {
				types[i] = t
			}
		}
	}
	c.l.Init(n.conf, n.health, c.name, c.absolute, types[0], types[1], seed*0x9e3779b97f4a7c15, n.now)
}

// drain does all that c's lookup has to do now.
func (n *network) drain(c *client) {
	for steps := 0; ; steps++ {
		p, ok := c.l.Send(n.now)
		if !ok {
			break
		}
		if c.asked == nil || c.step != c.l.step {
			c.asked, c.step = map[[2]int]time.Duration{}, c.l.step
		}
		if _, ok := c.asked[[2]int{p.Question, p.Server}]; !ok {
			c.asked[[2]int{p.Question, p.Server}] = n.now
		}
		if steps > 10 {
			n.t.Fatalf("sends without end at %v:\n%s", n.now, strings.Join(n.log, "\n"))
		}
		n.send(c, p)
	}
	for {
		r, ok := c.l.Result(n.now)
		if !ok {
			return
		}
		n.result(c, r)
	}
}

func (n *network) send(c *client, p Packet) {
	query := append([]byte{}, c.l.Query(p.Question)...)
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 || !m.RecursionDesired || len(m.Additionals) > 0 {
		n.t.Fatalf("bad question %x: %v", query, err)
	}
	q := m.Questions[0]
	key := strings.TrimPrefix(q.Type.String(), "Type") + " " + strings.TrimSuffix(q.Name.String(), ".")
	tcp := ""
	if p.TCP {
		tcp = "tcp "
	}
	n.logf("ask %d %s%s", p.Server+1, tcp, key)

	s := n.servers[p.Server]
	reply, ok := s[key]
	if !ok {
		if reply, ok = s[strings.Fields(key)[0]+" *"]; !ok {
			if reply, ok = s["*"]; !ok {
				reply = "20 nxdomain"
			}
		}
	}
	udp, overTCP, both := strings.Cut(reply, ">")
	switch {
	case p.TCP && both:
		reply = overTCP
	case both:
		reply = udp
	}
	replies := strings.Split(reply, ",")
	key = fmt.Sprintf("%d %s%s", p.Server, tcp, key)
	words := strings.Fields(replies[min(n.asked[key], len(replies)-1)])
	n.asked[key]++
	if words[0] == "silent" {
		return
	}
	after, err := strconv.Atoi(words[0])
	if err != nil {
		n.t.Fatalf("bad reply %q", reply)
	}
	e := event{at: n.now + time.Duration(after)*ms, c: c, question: p.Question, server: p.Server, tcp: p.TCP}
	if e.fail = failures[words[1]]; e.fail == 0 {
		id := m.ID
		if words[1] == "swap" {
			words = words[1:]
			id = c.l.questions[1-p.Question].id()
		}
		e.m = response(n.t, m, id, words[1:])
	}
	n.events = append(n.events, e)
}

var failures = map[string]Verdict{"closed": PortClosed, "noroute": Unreachable, "fail": TCPFailed}

// deliver hands over all messages that have arrived, in their order.
func (n *network) deliver() {
	sort.SliceStable(n.events, func(i, j int) bool { return n.events[i].at < n.events[j].at })
	for len(n.events) > 0 && n.events[0].at <= n.now {
		e := n.events[0]
		n.events = n.events[1:]
		if e.fail != 0 {
			e.c.l.Fail(e.question, e.server, e.fail, n.now)
			continue
		}
		if question, keep := e.c.l.Answer(e.server, e.m, e.tcp, n.now); keep {
			e.c.kept[[2]int{question, e.server}] = e.m
			e.c.answered = e.c.answered || e.c.l.Blame(question, e.server) == Positive
		}
	}
}

// result logs r, and checks what Result promises.
func (n *network) result(c *client, r Result) {
	what := fmt.Sprintf("%s %s", typeNames[c.l.questions[r.Question].kind], c.name)
	if c.reported[r.Question] == final {
		n.t.Errorf("%v: another result for %s after the last one", n.now, what)
	}
	c.reported[r.Question] = provisional
	if !r.More {
		c.reported[r.Question] = final
		c.finals++
	}
	verb := "found"
	var addrs []string
	switch {
	case r.Server >= 0:
		n.mayUse(c, r)
		addrs = n.records(c, r)
		if len(addrs) == 0 {
			n.t.Errorf("%v: result without records for %s", n.now, what)
		}
	case r.Replaces:
		verb = "withdrew"
	case c.l.Found():
		verb = "end"
	case c.l.NotFound():
		verb = "not found"
	default:
		n.askedAll(c, r.Question)
		verb = "failed"
		for j := range n.conf.NServers {
			what += fmt.Sprintf(" %d:%s", j+1, verdicts[c.l.Blame(r.Question, j)])
		}
		if d := c.l.Domain(); d != "" {
			what += " in " + d
		}
		if c.l.Stopped() {
			what += " (search list not used)"
		}
	}
	if r.Replaces && r.Server >= 0 {
		verb = "replaced"
	}
	if r.More {
		addrs = append(addrs, "...")
	}
	n.logf("%s", strings.Join(append([]string{verb, what}, addrs...), " "))
}

// mayUse checks that each server before r.Server has failed, or has been silent
// for 100 ms, now or before.
func (n *network) mayUse(c *client, r Result) {
	q := &c.l.questions[r.Question]
	for k := range r.Server {
		s := &q.servers[k]
		asked, ok := c.asked[[2]int{r.Question, k}]
		switch {
		case !ok:
			n.t.Errorf("%v: server %d used before %d was asked", n.now, r.Server+1, k+1)
		case s.verdict == Positive || s.verdict == NoData || s.verdict == NXDomain:
			n.t.Errorf("%v: server %d used, but %d has answered", n.now, r.Server+1, k+1)
		case s.verdict == NoAnswer && n.now < asked+100*ms && !n.health.slow[k]:
			n.t.Errorf("%v: server %d used too soon: %d was asked at %v", n.now, r.Server+1, k+1, asked)
		}
	}
}

// askedAll checks that every server was asked before a question failed.
func (n *network) askedAll(c *client, question int) {
	for j := range n.conf.NServers {
		switch c.l.Blame(question, j) {
		case NoData, NXDomain, Positive:
			return
		case Ignored:
			if !c.l.questions[question].off {
				n.t.Errorf("%v: %s has failed, but server %d was not asked", n.now, c.name, j+1)
			}
		}
	}
}

func (n *network) records(c *client, r Result) (list []string) {
	m, ok := c.kept[[2]int{r.Question, r.Server}]
	if !ok {
		n.t.Errorf("%v: result from a message that Answer did not keep", n.now)
	}
	var a Answer
	c.l.Records(&a, r.Question, m)
	for a.Next() {
		if c.l.questions[r.Question].kind == TypeSRV {
			target, _ := AppendName(make([]byte, 0, maxName), m, a.SRV.Target)
			list = append(list, fmt.Sprintf("%d %d %s:%d", a.SRV.Priority, a.SRV.Weight, target, a.SRV.Port))
			continue
		}
		list = append(list, toNetip(&a.Addr).String())
	}
	return list
}

var verdicts = map[Verdict]string{
	Ignored: "not asked", NoData: "NODATA", NXDomain: "NXDOMAIN", Refused: "REFUSED", ServFail: "SERVFAIL", FormErr: "FORMERR", NotImp: "NOTIMP",
	OtherCode: "other", Lame: "lame", Malformed: "malformed", NoAnswer: "silent", PortClosed: "closed", Unreachable: "noroute", TCPFailed: "TCP failed",
	Positive: "ok",
}

func toNetip(a *Addr) netip.Addr {
	if a.Is4 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	return netip.AddrFrom16(a.IP).WithZone(a.ZoneString())
}
