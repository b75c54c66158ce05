//go:build linux

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxRecords bounds the memory of a wire that is never marked: 8 MB.
const maxRecords = 1 << 15

// Wire carries the packets of all its links, in one loop on one thread. The loop calls
// ppoll itself, as Go's poller rounds timeouts to milliseconds.
type Wire struct {
	start time.Time
	wake  int // an eventfd
	ended chan struct{}

	mu      sync.Mutex
	turns   int        // of the loop
	turned  *sync.Cond // turns has changed, or closed
	closed  bool
	links   []*Link
	added   int
	queue   inflightHeap
	number  uint64
	pollees []pollee
	free    []*[mtu]byte
	random  *rand.Rand
	mark    time.Duration
	records []*Packet
	syns    map[flow]uint32 // sequence numbers of the SYNs since the mark
	late    time.Duration   // the worst delivery since the mark
}

// pollee is another descriptor that the loop serves, to be as punctual.
type pollee struct {
	fd   int
	read func() // reads all that is pending; called with the wire's lock
}

type flow struct{ src, dst netip.AddrPort }

// NewWire makes a wire without links, whose random losses are drawn from seed. The
// caller closes it, before the hosts it joins.
func NewWire(seed uint64) (*Wire, error) {
	// Go's scheduler knows no priorities. With spare Ps, the loop does not wait for
	// a thread that holds one and has no processor.
	const spare = 16
	if runtime.GOMAXPROCS(0) < spare {
		runtime.GOMAXPROCS(spare)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("wire: eventfd: %w", err)
	}
	w := &Wire{
		start:  time.Now(),
		wake:   wake,
		ended:  make(chan struct{}),
		random: newRandom(seed),
		syns:   map[flow]uint32{},
	}
	w.turned = sync.NewCond(&w.mu)
	go w.run()
	return w, nil
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// Seed draws the losses of later packets from seed, as NewWire does.
func (w *Wire) Seed(seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.random = newRandom(seed)
}

// Close ends the loop and removes every link's interfaces.
func (w *Wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.wakeUp()
	w.turned.Broadcast()
	w.mu.Unlock()
	<-w.ended
	err := unix.Close(w.wake)
	for _, l := range w.links {
		err = errors.Join(err, unix.Close(l.tun[Out]), unix.Close(l.tun[In]))
	}
	return err
}

// Mark discards the records. The times of later ones are relative to now.
func (w *Wire) Mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catchUp() // what was sent before the mark belongs before it
	w.mark = w.now()
	w.records = nil
	clear(w.syns)
	w.late = 0
}

// Marked returns the time of the last Mark.
func (w *Wire) Marked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.start.Add(w.mark)
}

// Packets returns the packets recorded since the last Mark, in the order they entered
// the wire: all but those that only carry or acknowledge data. Whatever was sent before
// the call is included.
func (w *Wire) Packets() []Packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catchUp()
	list := make([]Packet, len(w.records))
	for i, p := range w.records {
		list[i] = *p
	}
	return list
}

// Late returns by how much a delivery was late at most since the last Mark, because
// this machine was busy.
func (w *Wire) Late() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

func (w *Wire) now() time.Duration { return time.Since(w.start) }

// wakeUp ends the loop's poll.
func (w *Wire) wakeUp() {
	unix.Write(w.wake, binary.NativeEndian.AppendUint64(nil, 1)) // fails only if it is awake anyway
}

// awaitTurn waits until the loop polls what it polls from now on. The lock is held, but
// not meanwhile.
func (w *Wire) awaitTurn() {
	w.wakeUp()
	for now := w.turns; w.turns == now && !w.closed; {
		w.turned.Wait()
	}
}

func (w *Wire) run() {
	defer close(w.ended)
	// The default slack makes timers 50 µs late. Slack and priority are attributes of
	// the thread, which ends with the loop. If either is refused, times are less exact.
	runtime.LockOSThread()
	setPriority(prioWire)
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	var fds []unix.PollFd
	var drained [8]byte
	for {
		var timeout *unix.Timespec
		var ok bool
		if fds, timeout, ok = w.turn(fds[:0]); !ok {
			return
		}
		unix.Ppoll(fds, timeout, nil) // whatever it returns, the next turn reads everything
		if fds[0].Revents != 0 {
			unix.Read(w.wake, drained[:])
		}
	}
}

// turn reads and delivers packets, and returns what to poll next and for how long; not
// ok if the wire is closed.
func (w *Wire) turn(fds []unix.PollFd) (_ []unix.PollFd, timeout *unix.Timespec, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, nil, false
	}
	w.turns++
	w.turned.Broadcast()
	w.readAll()
	w.deliver()
	fds = append(fds, unix.PollFd{Fd: int32(w.wake), Events: unix.POLLIN})
	for _, pollee := range w.pollees {
		fds = append(fds, unix.PollFd{Fd: int32(pollee.fd), Events: unix.POLLIN})
	}
	for _, l := range w.links {
		if l.gone {
			continue
		}
		fds = append(fds,
			unix.PollFd{Fd: int32(l.tun[Out]), Events: unix.POLLIN},
			unix.PollFd{Fd: int32(l.tun[In]), Events: unix.POLLIN})
	}
	if len(w.queue) > 0 {
		ts := unix.NsecToTimespec(max(0, int64(w.queue[0].due-w.now())))
		timeout = &ts
	}
	return fds, timeout, true
}

// catchUp reads what was sent before now. It wakes the loop, which may wait for
// something later.
func (w *Wire) catchUp() {
	w.readAll()
	w.wakeUp()
}

// readAll reads what is pending at the links and the pollees.
func (w *Wire) readAll() {
	for _, pollee := range w.pollees {
		pollee.read()
	}
	for _, l := range w.links {
		w.read(l, In, l.tun[Out])
		w.read(l, Out, l.tun[In])
	}
}

// read reads the packets that a host has sent in direction dir.
func (w *Wire) read(l *Link, dir Direction, tun int) {
	// Bounded, as what is due must be delivered, too.
	const batch = 32
	for range batch {
		buf := w.buffer()
		n, err := unix.Read(tun, buf[:])
		if err != nil {
			w.free = append(w.free, buf)
			l.gone = l.gone || errors.Is(err, unix.EBADFD) // deleted with ip(8)
			return
		}
		w.handle(l, dir, buf, n)
	}
}

func (w *Wire) buffer() *[mtu]byte {
	if len(w.free) == 0 {
		return new([mtu]byte)
	}
	last := len(w.free) - 1
	buf := w.free[last]
	w.free = w.free[:last]
	return buf
}

// handle applies the link's rules to a packet that enters the wire.
func (w *Wire) handle(l *Link, dir Direction, buf *[mtu]byte, n int) {
	now := w.now()
	p, ok := parse(buf[:n])
	if !ok {
		w.free = append(w.free, buf)
		return
	}
	p.At, p.Link, p.Dir, p.Verdict = now-w.mark, l.Name, dir, InFlight
	if Syn.has(&p) {
		f := flow{p.Src, p.Dst}
		seq, seen := w.syns[f]
		p.Again = seen && seq == p.seq
		w.syns[f] = p.seq
	}
	rule := w.ruleFor(l, &p)
	delay := l.delay
	if l.jitter > 0 {
		delay += time.Duration(w.random.Int64N(int64(l.jitter)))
	}
	if l.down {
		p.Verdict = Lost
	} else {
		switch rule.Do {
		case Drop:
			p.Verdict = Dropped
		case Delay:
			delay += rule.Extra
		case Strip:
			stripMPTCP(buf[:n], &p)
		case Reset, Refuse:
			p.Verdict = w.answer(l, &p, buf[:n], rule, now)
		}
	}
	var record *Packet
	if p.eventful() && len(w.records) < maxRecords {
		record = new(Packet) // not &p, which would put every packet's on the heap
		*record = p
		w.records = append(w.records, record)
	}
	if p.Verdict != InFlight {
		w.free = append(w.free, buf)
		return
	}
	w.enqueue(inflight{due: now + delay, link: l, dir: dir, buf: buf, n: n, record: record})
}

// ruleFor returns the first of the link's rules that matches the packet, or Pass.
func (w *Wire) ruleFor(l *Link, p *Packet) Rule {
	for i := range l.rules {
		r := &l.rules[i]
		if !r.spent && r.matches(p) && (r.Chance == 0 || w.random.Float64() < r.Chance) {
			r.spent = r.Once
			return *r
		}
	}
	return Rule{}
}

// answer sends a rule's answer to packet b back to its sender. If the packet is one that
// must not be answered, such as a RST, it is dropped.
func (w *Wire) answer(l *Link, p *Packet, b []byte, rule Rule, now time.Duration) Verdict {
	buf := w.buffer()
	var n int
	if rule.Do == Reset {
		n = forgeReset(buf[:], b, p)
	} else {
		n = forgeICMP(buf[:], b, p, rule.Error)
	}
	if n == 0 {
		w.free = append(w.free, buf)
		return Dropped
	}
	back := Out
	if p.Dir == Out {
		back = In
	}
	w.enqueue(inflight{due: now + 2*l.delay, link: l, dir: back, buf: buf, n: n})
	return Answered
}

func (w *Wire) enqueue(f inflight) {
	w.number++
	f.number, f.cut = w.number, f.link.cut
	w.queue.push(f)
}

// after calls f in time d, with the wire's lock.
func (w *Wire) after(d time.Duration, f func()) {
	w.number++
	w.queue.push(inflight{due: w.now() + d, number: w.number, call: f})
}

// deliver writes what is due to the interfaces.
func (w *Wire) deliver() {
	for len(w.queue) > 0 {
		now := w.now()
		if w.queue[0].due > now {
			return
		}
		f := w.queue.pop()
		if f.call != nil {
			f.call()
			continue
		}
		verdict := Lost
		if f.cut == f.link.cut {
			w.late = max(w.late, now-max(f.due, w.mark))
			if _, err := unix.Write(f.link.tun[f.dir], f.buf[:f.n]); err == nil {
				verdict = Delivered
				t := &f.link.traffic[f.dir]
				t.Packets++
				t.Bytes += f.n
			}
		}
		if f.record != nil {
			f.record.Verdict = verdict
		}
		w.free = append(w.free, f.buf)
	}
}
