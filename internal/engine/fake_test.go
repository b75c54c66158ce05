package engine

import (
	"container/heap"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// fake is a system with a clock that only Wait advances, to the next event of the queue. It
// logs what the race does, and when, in milliseconds. It fails the test if a server sees two
// connections at a time, if a winner is acknowledged before the losers are closed, or if a
// descriptor is left open.
type fake struct {
	t       *testing.T
	now     time.Duration
	started Started
	end     error         // Wait returns this ...
	ends    time.Duration // ... at this time

	// dns has answers by "name A", "name AAAA" and the like (see questions). hosts has
	// peers by "addr", "addr transport" or "addr transport via interface". Anything
	// else is silent.
	dns   map[string]reply
	hosts map[string]peer
	limit int // of descriptors; 0: none
	asks  int // pending lookups, each of which has a descriptor
	idle  int // calls of Wait since time has passed

	queue            queue
	seq              int
	nextFD           int
	open             map[int]*conn
	given            map[int]*conn // finished
	syns             map[string]int
	delay            time.Duration // of the race
	noRetry          bool
	asked            *conn // the connection to the proxy that was asked last
	askedAt          time.Duration
	log              []string
	checked          map[string]bool  // peers whose host key was
	release          map[string]error // what Verify returns, by peer
	worse            string           // addresses that Sort puts last
	noRoute6, route4 bool             // there is no IPv6; there is IPv4 in addition to NAT64
}

// maxIdle bounds the calls of Wait without time passing: more are an endless loop.
const maxIdle = 1000

// A reply answers a question, after a while.
type reply struct {
	after time.Duration
	addrs string
	err   error
	more  bool // there is another answer, in dns as "host MAC again" and so on

	replaces string // addresses of the answer before

	from time.Duration // before this the name does not exist
}

// A peer answers a SYN after rtt, with success or err; if inside, connect(2) itself returns
// that. It sends its banner after the ACK and a delay, unless it is mute.
type peer struct {
	rtt    time.Duration
	err    error
	inside bool
	banner time.Duration // the delay
	mute   bool
	others time.Duration // until then it answers other connections of this machine
	said   string        // it sends this in place of the banner, and closes
	lost   int           // the number of first SYNs that are lost
	drops  int           // the number of the one SYN that is lost, from 1
	busy   time.Duration // until then its backlog is full
	gone   time.Duration // from then on there is no route
	reply  time.Duration // a proxy's delay
	refuse error         // a proxy's reply
	deaf   bool          // a proxy does not reply, a command sends no banner
	half   bool          // its banner comes in two parts

	key     string        // the result of a check of its host key, see fake.hostKeys
	verdict time.Duration // the time that the check takes

	up     time.Duration // until then it is before
	before *peer         // nil: silent
}

// A conn is a connection or an attempt at one. Its server sees it once the ACK is sent: at
// once if it is eager.
type conn struct {
	name   string
	began  time.Duration
	age    time.Duration // Transport.MaxAge; 0: none
	eager  bool
	up     bool          // it has connected ...
	at     time.Duration // ... at this time
	shown  bool          // its server sees it ...
	since  time.Duration // ... since this time
	looked bool          // Look was called
	proxy  bool
	asked  bool // Converse or Heard was called
	checks bool // it is the stderr of a program that checks a host key
	half   bool // Look has returned errHalf
}

// An event is an answer or a completion at some time.
type event struct {
	at     time.Duration
	seq    int
	answer *answer
	ended  *completion
}

// A queue is a heap of events, by time and then by seq.
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

// say adds a line to the log.
func (f *fake) say(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf("%d ", f.now.Milliseconds())+fmt.Sprintf(format, args...))
}

// after makes e happen after d.
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

// run runs d, and fails the test if a descriptor is left open that is not the winner's.
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

// race runs d for the targets in words. It returns the log, and then the winner or the
// failures, a line each.
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
