package engine

import (
	"container/heap"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"fdrace/internal/resolve"
)

// This file has the methods of fake that make it a system.

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

// InterfaceName knows that eth0 has index 2, and eth1 the alternative name wired.
func (f *fake) InterfaceName(zone string) string {
	switch zone {
	case "2":
		return "eth0"
	case "wired":
		return "eth1"
	}
	return zone
}

// Sort puts IPv6 first, and the addresses in worse last.
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
		f.after(p.rtt, event{ended: &completion{f.nextFD, p.err}})
	}
	return f.nextFD, p.inside, nil
}

// peer returns what name is at this time.
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

// checkOpen fails the test if more than maxOpen are open to one address, or one is too old.
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

func (f *fake) Wait(until time.Duration) (n events, err error) {
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
			n.completions = append(n.completions, *e.ended)
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
			f.after(p.banner, event{ended: &completion{fd, nil}})
		} else if !p.mute {
			f.after(p.banner, event{ended: &completion{fd, nil}})
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

func (f *fake) AnswersOthers(fd int, since time.Duration) bool {
	c := f.open[fd]
	if !c.shown || c.checks || since >= f.now {
		f.t.Errorf("AnswersOthers of %s since %v: shown %v, checks %v", c.name, since, c.shown, c.checks)
	}
	p, _ := f.peer(c.name)
	return p.others > since
}

// show makes the server see c. It fails the test if the server sees another connection, unless
// that had a delay to send a banner, its ACK cannot be held back, or the host key of c was
// checked, which may take longer than a turn.
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

// leak shows connections whose ACK the kernel does not delay any longer. That is allowed only
// where the race cannot start them again.
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

func (f *fake) Finish(fd int) {
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
