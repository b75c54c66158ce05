package engine

import (
	"container/heap"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
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
	ended  *completion
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
		f.say("%d of %d tried, by %s", w.Tried, w.Known, w.Target)
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
