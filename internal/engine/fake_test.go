package engine

import (
	"container/heap"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fdrace/internal/resolve"
)

// fake is a system whose clock moves in Wait alone, and there at once: a queue
// of what the network will do. What it was told to do, and when, is its log.
type fake struct {
	t       *testing.T
	now     time.Duration
	started Started
	end     error // what ends the race ...
	ends    time.Duration

	// dns has answers by "name A" and "name AAAA", hosts has peers by "addr"
	// or "addr transport". What is in neither is silent.
	dns   map[string]reply
	hosts map[string]peer
	limit int // descriptors there are, 0 for no limit
	asks  int // lookups under way, each of which holds one
	idle  int // calls of Wait in which no time passed

	queue            queue
	seq              int
	nextFD           int
	open             map[int]*conn
	given            map[int]*conn // released
	syns             map[string]int
	delay            time.Duration // the race's
	noRetry          bool
	asked            *conn // the last proxy that was
	askedAt          time.Duration
	log              []string
	checked          map[string]bool  // whose host key was
	release          map[string]error // by peer
	worse            string           // addresses that RFC 6724 has last
	noRoute6, route4 bool             // there is no IPv6; there is IPv4 beside NAT64
}

// maxIdle is how often a race may call Wait in one moment.
const maxIdle = 1000

type reply struct {
	after time.Duration
	addrs string
	err   error
	more  bool // it is answered again, by "host MAC again" and so on

	replaces string // of the answer before

	from time.Duration // before this there is no such name
}

// A peer answers a SYN: with err, and after a round trip. inside says that the
// answer comes from within connect. Its banner comes banner after that, if it
// is not mute. Some of the first SYNs may be lost.
type peer struct {
	rtt    time.Duration
	err    error
	inside bool
	banner time.Duration
	mute   bool
	said   string        // in place of the banner, and closes
	lost   int           // so many of the first SYNs
	drops  int           // this SYN alone, from 1
	busy   time.Duration // until then its backlog is full
	gone   time.Duration // from then on there is no route
	reply  time.Duration // a proxy's, after it was asked
	refuse error         // in its reply
	deaf   bool          // it has none, nor has a command a banner
	half   bool          // its banner comes in two parts

	key     string        // what a check of its host key says, see fake.hostKeys
	verdict time.Duration // how long that takes

	up     time.Duration // before this it is another peer
	before *peer         // nil: silent
}

// A conn is up at some time, and from some time on its server sees it: when it
// is acknowledged, or if it is eager at once.
type conn struct {
	name   string
	began  time.Duration
	age    time.Duration // that it may reach unanswered, 0 for any
	eager  bool
	up     bool
	at     time.Duration
	shown  bool
	since  time.Duration
	looked bool
	proxy  bool
	asked  bool
	checks bool // it is a program's, which checks the host key
	half   bool
}

type event struct {
	at     time.Duration
	seq    int
	answer *answer
	ended  *ended
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func (f *fake) say(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf("%d ", f.now.Milliseconds())+fmt.Sprintf(format, args...))
}

func (f *fake) after(d time.Duration, e event) {
	f.seq++
	e.at, e.seq = f.now+d, f.seq
	heap.Push(&f.queue, e)
}

func (f *fake) Now() time.Duration { return f.now }

var questions = [...]string{askAAAA: " AAAA", askA: " A", askMAC: " MAC", askLinks: " LINKS", askSRV: " SRV", askMachine: " MACHINE", askNAT64: "NAT64"}

func (f *fake) Lookup(q question) {
	f.asks++
	r, ok := f.dns[strings.TrimSuffix(q.host, ".")+questions[q.kind]]
	if later, yes := f.dns[strings.TrimSuffix(q.host, ".")+questions[q.kind]+" later"]; yes && f.now >= later.from {
		r, ok = later, true
	}
	if !ok {
		if q.kind == askNAT64 { // nobody expects it
			f.after(0, event{answer: &answer{question: q}})
		}
		return
	}
	if f.now < r.from {
		r = reply{after: r.after, err: nxdomain}
	}
	f.after(r.after, event{answer: f.answer(q, r)})
	if r.more {
		again := f.dns[strings.TrimSuffix(q.host, ".")+questions[q.kind]+" again"]
		f.after(again.after, event{answer: f.answer(q, again)})
	}
}

func (f *fake) answer(q question, r reply) *answer {
	a := &answer{question: q, err: r.err, more: r.more}
	for s := range strings.FieldsSeq(r.replaces) {
		a.replaces = append(a.replaces, netip.MustParseAddr(s))
	}
	for s := range strings.FieldsSeq(r.addrs) {
		switch q.kind {
		case askSRV:
			t, err := ParseTarget(s, 22)
			if s == "0.0.0.0" {
				t, err = Target{s, 22}, nil
			}
			if err != nil {
				f.t.Fatal(err)
			}
			a.services = append(a.services, resolve.Service{Host: t.Host, Port: t.Port})
		case askMachine:
			a.socket, _, _ = resolve.ParseSocket(s)
		case askNAT64:
			a.prefixes = append(a.prefixes, netip.MustParsePrefix(s))
		default:
			a.addrs = append(a.addrs, netip.MustParseAddr(s))
		}
	}
	return a
}

func (f *fake) Refresh() {}

func (f *fake) Abandon(question) error { return nil }

func (f *fake) Route(family Family) bool {
	if _, ok := f.dns["NAT64"]; ok && family == IPv4 {
		return f.route4
	}
	return !(family == IPv6 && f.noRoute6)
}

// InterfaceName has eth0 be number 2, and eth1 be wired, too.
func (f *fake) InterfaceName(zone string) string {
	switch zone {
	case "2":
		return "eth0"
	case "wired":
		return "eth1"
	}
	return zone
}

// Sort has IPv6 first, but for the addresses in worse.
func (f *fake) Sort(addrs []netip.Addr) {
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int {
		rank := func(a netip.Addr) int {
			switch {
			case strings.Contains(f.worse, a.String()):
				return 2
			case a.Is4():
				return 1
			}
			return 0
		}
		return rank(a) - rank(b)
	})
}

func (f *fake) Connect(t *Transport, to Addr, via string) (int, bool, error) {
	name := to.String()
	if to.Proxy == nil && !to.isSocket() && to.Port() == 22 {
		name = to.Addr().String()
	}
	if t.Name != "" {
		name += " " + t.Name
	}
	if via != "" {
		name += " via " + via
	}
	if t.Socket != nil && to.Command == nil {
		if _, err := t.Socket(0); err != nil {
			return -1, false, errSocket{err}
		}
	}
	if f.limit > 0 && len(f.open)+f.asks >= f.limit {
		return -1, false, errSocket{errFull}
	}
	p, known := f.peer(name)
	if known && p.inside && p.err != nil {
		f.say("try %s: %v", name, p.err)
		return -1, false, p.err
	}
	if p.gone > 0 && f.now >= p.gone {
		return -1, false, noRoute
	}
	if f.now < p.busy {
		f.say("try %s: %v", name, syscall.EAGAIN)
		return -1, false, syscall.EAGAIN
	}
	if to.Command != nil {
		return f.startCommand(name, p), false, nil
	}
	f.say("syn %s", name)
	f.nextFD++
	c := &conn{name: name, began: f.now, eager: t.EagerACK || to.isSocket(), proxy: to.Proxy != nil}
	if t.MaxAge != nil {
		c.age = t.MaxAge()
	}
	f.open[f.nextFD] = c
	if p.inside {
		f.connected(c)
	}
	f.syns[name]++
	if known && !p.inside && f.syns[name] > p.lost && f.syns[name] != p.drops {
		f.after(p.rtt, event{ended: &ended{f.nextFD, p.err}})
	}
	return f.nextFD, p.inside, nil
}

// peer returns what name is at present.
func (f *fake) peer(name string) (p peer, known bool) {
	p, known = f.hosts[name]
	if known && f.now < p.up {
		if p.before == nil {
			return peer{}, false
		}
		p = *p.before
	}
	return p, known
}

func (f *fake) connected(c *conn) {
	c.up, c.at = true, f.now
	if c.eager {
		f.show(c)
	}
}

// checkOpen: no more are open to one address than may be, and none is too old.
func (f *fake) checkOpen() {
	open := map[string]int{}
	for _, c := range f.open {
		open[c.name]++
		if c.age > 0 && !c.up && f.now > c.began+max(c.age, min(f.delay, DefaultDelay)) {
			f.t.Errorf("at %v the attempt at %s of %v is not closed", f.now, c.name, c.began)
		}
	}
	for name, n := range open {
		if n > maxOpen {
			f.t.Errorf("at %v %d are open to %s", f.now, n, name)
		}
	}
}

func (f *fake) Wait(until time.Duration) (n news, err error) {
	if until < f.now {
		until = f.now // what is overdue is due now
	}
	if len(f.queue) > 0 {
		until = min(until, f.queue[0].at)
	}
	if f.idle++; f.idle > maxIdle {
		f.t.Fatalf("the race does nothing at %v, again and again:\n%s", f.now, strings.Join(f.log, "\n"))
	}
	if until > f.now {
		f.idle = 0
	}
	if f.end != nil && f.ends <= until {
		f.now = max(f.now, f.ends)
		return n, f.end
	}
	f.now = until
	f.checkOpen()
	for len(f.queue) > 0 && f.queue[0].at <= until {
		e := heap.Pop(&f.queue).(event)
		switch {
		case e.answer != nil:
			n.answers = append(n.answers, *e.answer)
			if !e.answer.more {
				f.asks--
			}
		case f.open[e.ended.fd] != nil:
			if c := f.open[e.ended.fd]; e.ended.err == nil && !c.up {
				f.connected(c)
			}
			n.ended = append(n.ended, *e.ended)
		}
	}
	f.leak()
	return n, nil
}

func (f *fake) Verify(t *Transport, fd int) error {
	if err := f.release[f.open[fd].name]; err != nil {
		return err
	}
	if t.Check != nil {
		return t.Check(fd)
	}
	return nil
}

func (f *fake) Hold(fd int) {
	if c := f.open[fd]; !c.up || c.shown && !c.proxy && !c.eager {
		f.t.Errorf("Hold of %s: connected %v, shown %v", c.name, c.up, c.shown)
	}
}

func (f *fake) Look(t *Transport, fd int) error {
	c := f.open[fd]
	p, _ := f.peer(c.name)
	if !c.looked {
		c.looked = true
		f.say("ack %s", c.name)
		f.show(c)
		if p.said != "" {
			f.after(p.banner, event{ended: &ended{fd, nil}})
		} else if !p.mute {
			f.after(p.banner, event{ended: &ended{fd, nil}})
		}
		return errNotYet
	}
	if p.half && !c.half {
		c.half = true
		f.say("half %s", c.name)
		return errHalf
	}
	if p.said != "" {
		return &Refusal{p.said}
	}
	return nil
}

// show has the server see c. It sees one connection at a time, but for those
// that had a whole delay to speak, and those whose ACK cannot be held back, and but for one whose host key was checked,
// which may take longer than its turn.
func (f *fake) show(c *conn) {
	if c.shown {
		return
	}
	c.shown, c.since = true, f.now
	for _, other := range f.open {
		if f.checked[c.name] {
			continue
		}
		if other != c && other.shown && !other.eager && !c.eager && !other.proxy && !c.proxy && f.now-other.since < f.delay {
			f.t.Errorf("at %v a server sees %s, and since %v %s", f.now, c.name, other.since, other.name)
		}
	}
}

// leak shows what was held for longer than a kernel holds it, as it is where
// nothing can be begun anew.
func (f *fake) leak() {
	if f.noRetry || f.limit > 0 {
		return
	}
	for _, c := range f.open {
		if c.up && !c.shown && f.now > c.at+ackDelay {
			f.show(c)
		}
	}
}

func (f *fake) Release(fd int) {
	c := f.open[fd]
	f.say("wins %s", c.name)
	for _, other := range f.open {
		if other != c {
			f.t.Errorf("%s is acknowledged before %s is closed", c.name, other.name)
		}
	}
	f.show(c)
	delete(f.open, fd)
	f.given[fd] = c
}

func (f *fake) Close(t *Transport, fd int) {
	c := f.open[fd]
	if c == nil {
		c = f.given[fd]
	}
	switch {
	case c == nil:
		f.t.Errorf("Close of fd %d, which is not open", fd)
		return
	case c.checks:
		f.say("end check %s", c.name)
		f.checked[c.name] = true
	case c.up:
		f.say("reset %s", c.name)
	default:
		f.say("close %s", c.name)
	}
	delete(f.open, fd)
	delete(f.given, fd)
}

// start is ready for d's race.
func (f *fake) start(t *testing.T, d *Dialer) {
	f.t, f.open, f.given, f.syns, f.checked = t, map[int]*conn{}, map[int]*conn{}, map[string]int{}, map[string]bool{}
	f.noRetry = d.NoRetry
	if f.delay = d.Delay; f.delay == 0 {
		f.delay = DefaultDelay
	}
}

// run runs d, and fails the test if a descriptor is left that is not the
// winner's.
func (f *fake) run(t *testing.T, d *Dialer, targets []Target) (*Winner, error) {
	f.start(t, d)
	w, err := d.run(f, &f.started, targets)
	if w != nil && !d.RunAll {
		if f.given[w.FD] == nil {
			t.Errorf("the winner's descriptor, %d, is not what was released", w.FD)
		}
		delete(f.given, w.FD)
	}
	if len(f.open)+len(f.given) > 0 {
		t.Errorf("descriptors left: %v %v", f.open, f.given)
	}
	return w, err
}

// race runs d and returns what f saw of it, a line each, the failures last.
func (f *fake) race(t *testing.T, d Dialer, words string) string {
	var targets []Target
	for w := range strings.FieldsSeq(words) {
		target, err := ParseTarget(w, 22)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	w, err := f.run(t, &d, targets)
	var lost *Error
	switch {
	case err == nil:
		f.say("%d of %d tried, by %s", w.Tried, w.Of, w.Target)
		if w.Attempts > 1 {
			lost := ""
			if w.Lost {
				lost = ", after one was lost"
			}
			f.say("attempt %d of %d%s", w.Attempt, w.Attempts, lost)
		}
		for _, b := range w.Before {
			f.say("before it %s: %v", b.Transport, b.Err)
		}
	case errors.As(err, &lost):
		f.say("%v", err)
		for _, l := range lost.Failures {
			f.log = append(f.log, fmt.Sprintf("  %v at %d", l, l.At.Milliseconds()))
			if l.Attempts > 1 {
				f.log = append(f.log, fmt.Sprintf("  in %d attempts", l.Attempts))
			}
		}
	default:
		f.say("%v", err)
	}
	return strings.Join(f.log, "\n")
}
