package race

import (
	"container/heap"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fdrace/race/resolve"
)

// fake is a system whose clock moves in Wait alone, and there at once: a queue
// of what the network will do. What it was told to do, and when, is its log.
type fake struct {
	t    *testing.T
	now  time.Duration
	end  error // what ends the race ...
	ends time.Duration

	// dns has answers by "name A" and "name AAAA", hosts has peers by "addr"
	// or "addr transport". What is in neither is silent.
	dns   map[string]reply
	hosts map[string]peer
	limit int // descriptors there are, 0 for no limit
	asks  int // lookups under way, each of which holds one

	queue            queue
	seq              int
	nextFD           int
	open             map[int]*conn
	given            map[int]*conn // released
	banner           bool          // the race asks for one
	worse            string        // addresses that RFC 6724 has last
	noRoute6, route4 bool          // there is no IPv6; there is IPv4 beside NAT64
	log              []string
	release          map[string]error // by peer
}

type reply struct {
	after time.Duration
	addrs string
	err   error
	more  bool // it is answered again, by "host MAC again"
}

// A peer answers a SYN: with err, and after a round trip. inside says that the
// answer comes from within connect. Its banner comes banner after that, if it
// is not mute.
type peer struct {
	rtt    time.Duration
	err    error
	inside bool
	banner time.Duration
	mute   bool
}

type conn struct {
	name  string
	up    bool
	spoke bool
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

var questions = [...]string{askAAAA: " AAAA", askA: " A", askMAC: " MAC", askLinks: " LINKS", askSRV: " SRV", askNAT64: "NAT64"}

func (f *fake) Lookup(q question) {
	f.asks++
	r, ok := f.dns[strings.TrimSuffix(q.host, ".")+questions[q.kind]]
	if !ok {
		if q.kind == askNAT64 { // nobody expects it
			f.after(0, event{answer: &answer{question: q}})
		}
		return
	}
	a := answer{question: q, err: r.err, more: r.more}
	for s := range strings.FieldsSeq(r.addrs) {
		switch q.kind {
		case askSRV:
			t, err := ParseTarget(s, 22)
			if err != nil {
				f.t.Fatal(err)
			}
			a.services = append(a.services, resolve.Service{Host: t.Host, Port: t.Port})
		case askNAT64:
			a.prefixes = append(a.prefixes, netip.MustParsePrefix(s))
		default:
			a.addrs = append(a.addrs, netip.MustParseAddr(s))
		}
	}
	f.after(r.after, event{answer: &a})
	if r.more {
		again := f.dns[q.host+" MAC again"]
		second := answer{question: q, err: again.err}
		for s := range strings.FieldsSeq(again.addrs) {
			second.addrs = append(second.addrs, netip.MustParseAddr(s))
		}
		f.after(again.after, event{answer: &second})
	}
}

func (f *fake) Abandon(question) error { return nil }

func (f *fake) Route(family Family) bool {
	if _, ok := f.dns["NAT64"]; ok && family == IPv4 {
		return f.route4
	}
	return !(family == IPv6 && f.noRoute6)
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
	if !to.isSocket() && to.Port() == 22 {
		name = to.Addr().String()
	}
	if t.Name != "" {
		name += " " + t.Name
	}
	if via != "" {
		name += " via " + via
	}
	if t.Socket != nil {
		if _, err := t.Socket(0); err != nil {
			return -1, false, errSocket{err}
		}
	}
	if f.limit > 0 && len(f.open)+f.asks >= f.limit {
		return -1, false, errSocket{errFull}
	}
	p, known := f.hosts[name]
	if known && p.inside && p.err != nil {
		f.say("try %s: %v", name, p.err)
		return -1, false, p.err
	}
	f.say("syn %s", name)
	f.nextFD++
	f.open[f.nextFD] = &conn{name: name, up: p.inside}
	if known && !p.inside {
		f.after(p.rtt, event{ended: &ended{f.nextFD, p.err}})
	}
	return f.nextFD, p.inside, nil
}

func (f *fake) Wait(until time.Duration) (n news, err error) {
	if until < f.now {
		until = f.now // what is overdue is due now
	}
	if len(f.queue) > 0 {
		until = min(until, f.queue[0].at)
	}
	if f.end != nil && f.ends <= until {
		f.now = max(f.now, f.ends)
		return n, f.end
	}
	f.now = until
	for len(f.queue) > 0 && f.queue[0].at <= until {
		e := heap.Pop(&f.queue).(event)
		switch {
		case e.answer != nil:
			n.answers = append(n.answers, *e.answer)
			if !e.answer.more {
				f.asks--
			}
		case f.open[e.ended.fd] != nil:
			f.open[e.ended.fd].up = e.ended.err == nil
			n.ended = append(n.ended, *e.ended)
		}
	}
	return n, nil
}

func (f *fake) Release(t *Transport, fd int) error {
	c := f.open[fd]
	if err := f.release[c.name]; err != nil {
		return err
	}
	if t.Check != nil {
		if err := t.Check(fd); err != nil {
			return err
		}
	}
	if p := f.hosts[c.name]; f.banner && !c.spoke {
		if !p.mute {
			c.spoke = true
			f.after(p.banner, event{ended: &ended{fd, nil}})
		}
		return errNotYet
	}
	f.say("wins %s", c.name)
	delete(f.open, fd)
	f.given[fd] = c
	return nil
}

func (f *fake) Close(fd int) {
	c := f.open[fd]
	if c == nil {
		c = f.given[fd]
	}
	switch {
	case c == nil:
		f.t.Errorf("Close of fd %d, which is not open", fd)
		return
	case c.up:
		f.say("reset %s", c.name)
	default:
		f.say("close %s", c.name)
	}
	delete(f.open, fd)
	delete(f.given, fd)
}

// run runs d, and fails the test if a descriptor is left that is not the
// winner's.
func (f *fake) run(t *testing.T, d *Dialer, targets []Target) (*Winner, error) {
	f.t, f.open, f.given, f.banner = t, map[int]*conn{}, map[int]*conn{}, d.Banner != ""
	w, err := d.run(f, targets)
	if w != nil && !d.Exhaust {
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
		for _, b := range w.Before {
			f.say("before it %s: %v", b.Transport, b.Err)
		}
	case errors.As(err, &lost):
		f.say("%v", err)
		for _, l := range lost.Failures {
			f.log = append(f.log, fmt.Sprintf("  %v at %d", l, l.At.Milliseconds()))
		}
	default:
		f.say("%v", err)
	}
	return strings.Join(f.log, "\n")
}
