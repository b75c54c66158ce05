package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// world is a network drawn at random, and a race through it.
type world struct {
	fake
	dialer  Dialer
	targets []string
	begun   map[socket]bool // that have a Start, and no end yet
}

func drawWorld(r *rand.Rand) *world {
	w := &world{
		fake: fake{dns: zone{}, hosts: hosts{}, release: map[string]error{}},
		dialer: Dialer{
			Family:    Family(r.IntN(8) % 3),
			Timeout:   time.Duration(r.IntN(3000)+1) * ms,
			HeadStart: time.Duration(max(0, r.IntN(400)-200)) * ms,
			NoRetry:   r.IntN(4) == 0,
		},
	}
	names := []string{""}
	if r.IntN(2) == 0 {
		w.dialer.Transports = twoTransports
		if r.IntN(2) == 0 {
			age := time.Duration(r.IntN(1000)+100) * ms
			w.dialer.Transports = []Transport{{Name: "mptcp", EagerACK: true, MaxAge: func() time.Duration { return age }}, {}}
		}
		names = []string{" mptcp", ""}
	}
	if r.IntN(4) == 0 {
		w.dialer.Interfaces = twoInterfaces
		for _, name := range names {
			names = append(names, name+" via eth0", name+" via lte0")
		}
	}
	if r.IntN(4) == 0 {
		w.dialer.Banner = "SSH-"
	}
	if r.IntN(4) == 0 {
		w.limit = r.IntN(3) + 1
	}
	if r.IntN(4) == 0 {
		w.end, w.ends = ErrHangup, time.Duration(r.IntN(1500))*ms
	}
	// Few addresses, so that many ways lead to one.
	addrs := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd99::1", "fd99::2", "fd99::3"}
	links := []string{"fe80::1%eth0", "fe80::1%lte0"}
	mapped := []string{"64:ff9b::a00:1", "64:ff9b::a00:2", "64:ff9b::a00:3"}
	for _, a := range slices.Concat(addrs, links, mapped) {
		for _, transport := range names {
			if r.IntN(3) > 0 {
				w.hosts[a+transport] = drawPeer(r)
			}
			if r.IntN(8) == 0 {
				w.release[a+transport] = errors.New("not good enough")
			}
		}
	}
	if r.IntN(2) == 0 {
		w.dns["NAT64"] = reply{after: drawReply(r, addrs).after, addrs: "64:ff9b::/96"}
	}
	if r.IntN(4) == 0 {
		w.dialer.HostKey = w.hostKeys()
		for _, a := range slices.Concat(addrs, links) {
			p := w.hosts[a]
			p.key, p.verdict = [...]string{"", "right", "wrong", "silent", "known wrong", "elsewhere"}[r.IntN(6)], time.Duration(r.IntN(600))*ms
			w.hosts[a] = p
		}
	}
	w.drawProxies(r, addrs, mapped)
	w.drawCommands(r)
	for i := range r.IntN(5) + 1 {
		name := "name" + strconv.Itoa(i)
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			name = addrs[r.IntN(len(addrs))]
		case 4:
			name = "fe80::1"
			w.dns["fe80::1 LINKS"] = reply{after: drawReply(r, addrs).after, addrs: strings.Join(links, " ")}
		case 5:
			name = "02:00:00:00:00:0" + strconv.Itoa(i)
			w.dns[name+" MAC"] = drawReply(r, slices.Concat(addrs, links))
			if r.IntN(2) == 0 {
				first, again := drawReply(r, links), drawReply(r, addrs)
				again.after += first.after
				first.more, first.err = true, nil
				w.dns[name+" MAC"], w.dns[name+" MAC again"] = first, again
			}
		case 6:
			w.dns["_ssh._tcp."+name+" SRV"] = drawReply(r, append(addrs, name, "_ssh._tcp."+name))
			w.targets = append(w.targets, "_ssh._tcp."+name)
			name = "10.0.0.9" // beside what it may stand for
		}
		w.targets = append(w.targets, name)
		if r.IntN(5) > 0 {
			w.dns[name+" A"] = drawReply(r, addrs[:3])
		}
		if r.IntN(5) > 0 {
			w.dns[name+" AAAA"] = drawReply(r, addrs[3:])
		}
	}
	return w
}

func drawPeer(r *rand.Rand) peer {
	p := peer{
		rtt:    time.Duration(r.IntN(800)) * ms,
		inside: r.IntN(8) == 0,
		banner: time.Duration(r.IntN(400)) * ms,
		mute:   r.IntN(4) == 0,
		half:   r.IntN(8) == 0,
		lost:   max(0, r.IntN(6)-3),
	}
	if r.IntN(16) == 0 {
		p.gone = time.Duration(r.IntN(1000)) * ms
	}
	if r.IntN(2) == 0 {
		p.err = []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH}[r.IntN(3)]
	}
	return p
}

func drawReply(r *rand.Rand, addrs []string) reply {
	d := time.Duration(r.IntN(600)) * ms
	switch r.IntN(4) {
	case 0:
		return reply{after: d, err: nxdomain}
	case 1:
		return reply{after: d, err: servfail}
	}
	var some []string
	for range r.IntN(4) + 1 {
		some = append(some, addrs[r.IntN(len(addrs))])
	}
	return reply{after: d, addrs: strings.Join(some, " ")}
}

// check runs the race, holds it to what every race must keep to, and returns
// what it came to.
func (w *world) check(t *testing.T) (events []Event, winner *Winner, err error) {
	w.begun = map[socket]bool{}
	w.dialer.Report = func(e Event) {
		events = append(events, e)
		switch s := (socket{e.Addr, e.Transport, e.Interface}); {
		case e.Kind == Start:
			w.begun[s] = true
		case e.Kind != Connected:
			delete(w.begun, s)
		}
	}
	var targets []Target
	for _, word := range w.targets {
		target, err := ParseTarget(word, 22)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	winner, err = w.run(t, &w.dialer, targets)

	if (winner == nil) == (err == nil) {
		t.Fatalf("winner %v and error %v", winner, err)
	}
	w.checkEvents(t, events, winner)
	var lost *Error
	if errors.As(err, &lost) {
		w.checkFailures(t, events, lost)
	}
	return events, winner, err
}

// checkRunAll holds the race that goes on to what the same race was that
// did not: it is the same until the win, and after it gives an account of
// everything.
func (w *world) checkRunAll(t *testing.T, events []Event, winner *Winner, err error) {
	w.dialer.RunAll = true
	w.dialer.OnProgress = w.checkProgress(t)
	all, again, lost := w.check(t)
	if winner == nil {
		if fmt.Sprint(lost) != fmt.Sprint(err) || fmt.Sprint(all) != fmt.Sprint(events) {
			t.Errorf("without a winner: %v, and to the end: %v", err, lost)
		}
		return
	}
	want := *winner
	want.FD = -1
	if again == nil || fmt.Sprint(*again) != fmt.Sprint(want) {
		t.Errorf("the winner is %+v, and to the end %+v, %v", want, again, lost)
		return
	}
	untilWin := slices.IndexFunc(events, func(e Event) bool { return e.Kind == Won }) + 1
	if len(all) < untilWin || fmt.Sprint(all[:untilWin]) != fmt.Sprint(events[:untilWin]) {
		t.Errorf("until the win:\n%v, and to the end\n%v", events[:untilWin], all)
	}
	ended := map[string]bool{}
	for _, e := range all {
		if e.Kind != Resolve && e.Kind != Start {
			ended[fmt.Sprint(e.Target, e.Family)] = true
			ended[fmt.Sprint(e.Target)] = true
			ended[e.Addr.String()] = true
		}
	}
	for _, e := range all {
		if e.Kind == Resolve && e.Family != AnyFamily && !ended[fmt.Sprint(e.Target, e.Family)] || !ended[fmt.Sprint(e.Target)] {
			t.Errorf("nothing is said of %v", e)
		}
		for _, a := range e.Addrs {
			if !ended[addrOf(e, a)] {
				t.Errorf("nothing is said of %v", a)
			}
		}
	}
}

// checkProgress: a race that lasts tells of it in time, and of nothing that is
// over.
func (w *world) checkProgress(t *testing.T) func(Progress) bool {
	next := tickAfter
	return func(p Progress) bool {
		if p.At != next || p.At != w.now || p.At+p.Left != max(p.At, w.dialer.Timeout) {
			t.Errorf("told at %v of a race at %v, with %v left; want %v", w.now, p.At, p.Left, next)
		}
		next += tickEvery
		attempts := 0
		for _, e := range p.Trying {
			if e.Kind == Start {
				attempts++
				if !w.begun[socket{e.Addr, e.Transport, e.Interface}] {
					t.Errorf("%v is not under way", e)
				}
			}
			if e.At > p.At {
				t.Errorf("at %v something is under way that begins at %v", p.At, e.At)
			}
		}
		if attempts != len(w.begun) {
			t.Errorf("%d attempts are under way, and it tells of %d", len(w.begun), attempts)
		}
		return true
	}
}

type socket struct {
	addr      Addr
	transport string
	via       string
}

// checkEvents: no SYN twice, none too late, none a delay too early, and each
// attempt has one end.
func (w *world) checkEvents(t *testing.T, events []Event, winner *Winner) {
	started := map[socket]time.Duration{}
	ends, tries := map[socket]int{}, map[socket]int{}
	won, last := 0, time.Duration(0)
	for _, e := range events {
		if e.At < last {
			t.Errorf("%v at %v comes after %v", e.Kind, e.At, last)
		}
		last = e.At
		if e.Transport == "" {
			continue // of a lookup, or of what was not tried
		}
		s := socket{e.Addr, e.Transport, e.Interface}
		switch e.Kind {
		case Start:
			if e.Attempt != tries[s]+1 {
				t.Errorf("SYN %d to %v after %d", e.Attempt, s, tries[s])
			}
			tries[s]++
			if e.At >= w.dialer.Timeout && e.Addr.Command == nil {
				t.Errorf("a SYN to %v at %v, the deadline", s, e.At)
			}
			started[s] = e.At
		case Won:
			won++
			ends[s]++
		case Failed, Cancelled:
			ends[s]++
		}
	}
	for s := range started {
		if ends[s] != 1 {
			t.Errorf("%v ended %d times", s, ends[s])
		}
	}
	if len(ends) != len(started) {
		t.Errorf("%d attempts ended, %d started", len(ends), len(started))
	}
	if (winner != nil) != (won == 1) {
		t.Errorf("%d winners reported, returned %v", won, winner)
	}
	w.checkPace(t, events)
}

// checkPace: an attempt by the first transport needs a reason to start. Until
// something fails, one lane starts one address a delay, but for those of links.
func (w *world) checkPace(t *testing.T, events []Event) {
	if w.limit > 0 {
		return // who waited for a descriptor starts when there is one
	}
	type lane struct {
		target Target
		proxy  *Proxy
	}
	lastStart := map[lane]time.Duration{}
	freed := time.Duration(-1)
	var lastCommand *Event
	for _, e := range events {
		switch {
		case e.Addr.Command != nil && e.Kind == Start:
			if lastCommand != nil && e.At < lastCommand.At+w.dialer.Fallback {
				t.Errorf("%v started at %v, and %v at %v", e.Addr, e.At, lastCommand.Addr, lastCommand.At)
			}
			lastCommand = &e
		case e.Addr.Command != nil && e.Kind == Failed:
			lastCommand = nil
			clear(lastStart)
		case e.Kind == Failed:
			clear(lastStart) // a failure lets the next of any lane that shares it go
			freed = e.At
		case e.Interface != "":
			// a clone has its address's time
		case e.Addr.Addr().Zone() != "" || strings.Contains(e.Target.Host, "00:00:00"):
			// all links at once
		case e.Attempt > 1:
			// has waited for its turn
		case e.Kind == Start && e.Transport != "tcp" || e.Kind == Start && w.dialer.Transports == nil:
			held := DefaultDelay // which the next two had to wait for
			if w.dialer.Banner != "" {
				held *= 2 // and for a server that was silent
			}
			gaps := w.dialer.Transports != nil && freed >= 0 && e.At < freed+held
			l := lane{e.Target, e.Addr.Proxy}
			if before, ok := lastStart[l]; ok && e.At-before < DefaultDelay && !gaps {
				t.Errorf("%v started %v after the one before", e.Addr, e.At-before)
			}
			lastStart[l] = e.At
		}
	}
}

// checkFailures: everything that was asked for or started is accounted for,
// once.
func (w *world) checkFailures(t *testing.T, events []Event, lost *Error) {
	seen := map[string]int{}
	for _, f := range lost.Failures {
		seen[fmt.Sprint(f.Target.Host, f.Addr, f.Family, f.Transport, f.Interface)]++
		if f.Err == nil {
			t.Errorf("%v has no reason", f)
		}
	}
	for what, n := range seen {
		if n > 1 {
			t.Errorf("%s failed %d times", what, n)
		}
	}
	accounted := map[string]bool{}
	for _, f := range lost.Failures {
		accounted[f.Target.Host] = true
		accounted[f.Addr.String()] = true
	}
	for _, e := range events {
		switch {
		case e.Kind == Start && !accounted[e.Addr.String()]:
			t.Errorf("nothing is said of %v", e.Addr)
		case e.Kind == Resolved:
			for _, a := range e.Addrs {
				if addr := addrOf(e, a); !accounted[addr] {
					t.Errorf("nothing is said of %v", addr)
				}
			}
		case e.Kind == Resolve && lost.Cause == nil && !resolved(events, e) && !accounted[e.Target.Host]:
			t.Errorf("nothing is said of %v", e.Target)
		}
	}
}

// addrOf is the candidate that a is, of the answer e.
func addrOf(e Event, a netip.Addr) string {
	addr := netip.AddrPortFrom(a, 22).String()
	if e.Target.Host == "proxy" {
		addr = "socks5://" + addr
	}
	return addr
}

func resolved(events []Event, asked Event) bool {
	for _, e := range events {
		if e.Kind == Resolved && e.Target == asked.Target && e.Family == asked.Family {
			return true
		}
	}
	return false
}

// TestRandomRaces runs FDRACE_RACES races, 6000 by default (the race detector makes
// each take 2 ms), each drawn from a seed that the failure names.
func TestRandomRaces(t *testing.T) {
	n := 6000
	if s := os.Getenv("FDRACE_RACES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(n) {
		checkSeed(t, seed)
	}
}

func FuzzRandomRace(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(checkSeed)
}

func checkSeed(t *testing.T, seed uint64) {
	draw := func() *world { return drawWorld(rand.New(rand.NewPCG(seed, 1))) }
	w := draw()
	events, winner, err := w.check(t)
	if !t.Failed() {
		w = draw()
		w.checkRunAll(t, events, winner, err)
	}
	if t.Failed() {
		t.Fatalf("seed %d: %v by %+v\n%s", seed, w.targets, w.dialer, strings.Join(w.log, "\n"))
	}
}
