package engine

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A world is a random network and a race in it.
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
	// There are few addresses, so that several targets lead to the same one.
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
	if r.IntN(4) == 0 {
		p.others = time.Duration(r.IntN(3000)) * ms
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

// check runs the race, checks what is true of every race, and returns its events and result.
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
