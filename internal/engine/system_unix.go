//go:build unix

package engine

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// kernel is the real system.
type kernel struct {
	dialer  *Dialer
	started *Started
	began   time.Time

	// polls has the waker, then dialer.Hangup, and from base on the attempts and
	// lookups in the order in which they started. A closed descriptor stays as -1
	// until compact. poll(2) looks at all of them each time, which for 1000 takes as
	// long as one attempt; epoll would cost each race two more system calls.
	polls        []unix.PollFd
	base         int
	index        map[int]int // from a descriptor to its index in polls
	needsCompact bool
	peeked       map[int]int // from a descriptor to the bytes that banner has seen

	names    names
	children children
	checks   map[int]*checkProgram // by their stderr
	routes   [3]route              // by Family

	// Other goroutines add to answers and write a byte to wake[1]. There is no pipe
	// before the first of them could start.
	caller  context.Context // of Dial; it ends the race
	ctx     context.Context
	cancel  context.CancelFunc // ends the lookups
	unhook  func() bool        // stops the caller's context from waking a Wait
	mu      sync.Mutex
	wake    [2]int
	answers []answer
	asking  int        // number of workers
	queued  []question // questions that wait for a worker
}

// maxLookups bounds the lookups that run at a time: each has a socket or two. It is enough
// for both families of 100 names.
const maxLookups = 256

// newKernel returns a kernel for one race. The caller calls shut.
func newKernel(ctx context.Context, d *Dialer, started *Started) (*kernel, error) {
	k := &kernel{dialer: d, started: started, began: time.Now().Add(-started.Age), caller: ctx, ctx: ctx, wake: [2]int{-1, -1}, index: map[int]int{}}
	k.polls = make([]unix.PollFd, 1, 8)
	k.polls[0] = unix.PollFd{Fd: -1, Events: unix.POLLIN}
	for _, fd := range d.Hangup {
		k.polls = append(k.polls, unix.PollFd{Fd: int32(fd)})
	}
	k.base = len(k.polls)

	if ctx.Done() != nil {
		if err := k.openWaker(); err != nil {
			k.shut()
			return nil, err
		}
	}
	return k, nil
}

// openWaker makes post and the caller's context end a Wait.
func (k *kernel) openWaker() error {
	if k.cancel != nil {
		return nil
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(k.wake[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	for _, fd := range k.wake {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true) // cannot fail on a pipe of our own
	}
	k.polls[0].Fd = int32(k.wake[0])
	k.ctx, k.cancel = context.WithCancel(k.caller)
	k.unhook = context.AfterFunc(k.caller, func() { k.post() })
	return nil
}

// post adds answers to what the next Wait returns, and ends the current one.
func (k *kernel) post(answers ...answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = append(k.answers, answers...)
	if k.wake[1] >= 0 {
		_, _ = unix.Write(k.wake[1], []byte{0}) // EAGAIN: it is awake already
	}
}

// shut ends the lookups without waiting for them, and closes the waker and what the race has
// not used of started.
func (k *kernel) shut() {
	for to, begun := range k.started.Sockets {
		first := &Transport{}
		if len(k.dialer.Transports) > 0 {
			first = &k.dialer.Transports[0]
		}
		k.Close(first, begun.FD)
		delete(k.started.Sockets, to)
	}
	for name, x := range k.started.Lookups {
		if x != nil {
			closeExchange(x)
		}
		delete(k.started.Lookups, name)
	}
	k.names.close(k)
	if k.cancel == nil {
		return
	}
	k.unhook()
	k.cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, fd := range k.wake {
		unix.Close(fd)
		k.wake[i] = -1
	}
}

func closeExchange(x *stub.Exchange) {
	for _, fds := range x.FDs {
		for _, fd := range fds {
			if fd > 0 {
				unix.Close(fd)
			}
		}
	}
}

func (k *kernel) Now() time.Duration { return time.Since(k.began) }

func (k *kernel) Lookup(q question) {
	if k.names.begin(q) {
		return
	}
	if err := k.openWaker(); err != nil {
		k.answers = append(k.answers, answer{question: q, err: err})
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking == maxLookups {
		k.queued = append(k.queued, q)
		return
	}
	k.asking++
	go k.worker(q)
}

// worker answers q, and then the questions that are queued.
func (k *kernel) worker(q question) {
	for ok := true; ok; q, ok = k.nextQuestion() {
		k.resolve(q)
	}
}

func (k *kernel) nextQuestion() (q question, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queued) == 0 || k.ctx.Err() != nil {
		k.asking--
		return q, false
	}
	q, k.queued = k.queued[0], k.queued[1:]
	return q, true
}

func (k *kernel) Abandon(q question) error { return k.names.abandon(k, q) }

func (k *kernel) Wait(until time.Duration) (n events, err error) {
	if k.cancel == nil && len(k.answers) > 0 { // Lookup had no descriptor for the pipe
		n.answers, k.answers = k.answers, nil
		return n, nil
	}
	until = min(until, k.names.step(k))
	if k.needsCompact {
		k.compact()
	}
	if err := poll(k.polls, max(0, until-k.Now())); err != nil {
		if err == unix.EINTR {
			return n, nil
		}
		return n, os.NewSyscallError("poll", err)
	}
	if k.polls[0].Revents != 0 {
		if err := k.caller.Err(); err != nil { // k.ctx may have this only after the waker
			return n, err
		}
		n.answers = k.drainAnswers()
	}
	for _, p := range k.polls[1:k.base] {
		if p.Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			return n, ErrHangup
		}
	}
	for _, p := range k.polls[k.base:] {
		if p.Revents == 0 || k.names.take(int(p.Fd)) {
			continue
		}
		errno, err := unix.GetsockoptInt(int(p.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err == nil && errno != 0:
			err = unix.Errno(errno)
			// SO_ERROR also returns an ICMP error for an established
			// connection, once. That is only a hint (RFC 1122).
			if _, e := unix.Getpeername(int(p.Fd)); e == nil {
				err = nil
			}
		case err == nil && p.Revents&p.Events == 0 && k.children.running[int(p.Fd)] == 0:
			// POLLERR or POLLHUP alone is not success, and poll would return it
			// again at once: only the error queue has an error.
			err = unix.ECONNABORTED
		}
		if err == unix.ECONNRESET && k.dialer.Banner != "" {
			err = k.refusalOf(int(p.Fd), err)
		}
		n.completions = append(n.completions, completion{int(p.Fd), err})
	}
	k.names.receive(k)
	k.names.step(k)
	n.answers = append(n.answers, k.names.answers...)
	k.names.answers = nil
	return n, nil
}

func (k *kernel) drainAnswers() []answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	var drain [64]byte
	for {
		if n, _ := unix.Read(k.wake[0], drain[:]); n < len(drain) {
			break
		}
	}
	answers := k.answers
	k.answers = nil
	return answers
}

func (k *kernel) Verify(t *Transport, fd int) error {
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return os.NewSyscallError("getpeername", err)
	}
	// A connect to one's own ephemeral port can succeed against itself: RFC 9293
	// section 3.5, simultaneous open.
	if self, err := unix.Getsockname(fd); err == nil && same(peer, self) {
		return fmt.Errorf("connected to itself: %w", unix.ECONNREFUSED)
	}
	return check(t, fd)
}

func (k *kernel) Hold(fd int) { k.polls[k.index[fd]].Events = 0 }

func (k *kernel) Look(t *Transport, fd int) error {
	if t.EagerACK {
		resetOnClose(fd) // not before it has connected: see Close
	}
	sendAck(fd)
	if err := k.banner(fd); err != nil {
		return err
	}
	// MPTCP may fall back as late as with the first data: RFC 8684 section 3.7.
	return check(t, fd)
}

// Finish ignores errors: a stream socket has these options, or does not need them.
func (k *kernel) Finish(fd int) {
	if !k.dialer.Probe {
		sendAck(fd)
	}
	// ssh sets SO_KEEPALIVE on its own sockets, but not on one that was passed to it.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	// ssh sets TCP_NODELAY only for a session with a terminal. Until then the small
	// packets of a login wait for each other's acknowledgements (RFC 896), which the
	// peer delays by 40 ms. Sockets that are not TCP refuse it.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetNonblock(fd, false)
	if k.dialer.Banner != "" {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	}
	k.forget(fd)
	delete(k.children.running, fd)
}

func check(t *Transport, fd int) error {
	if t.Check == nil {
		return nil
	}
	return t.Check(fd)
}

func same(a, b unix.Sockaddr) bool {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		b, ok := b.(*unix.SockaddrInet4)
		return ok && a.Port == b.Port && a.Addr == b.Addr
	case *unix.SockaddrInet6:
		b, ok := b.(*unix.SockaddrInet6)
		return ok && a.Port == b.Port && a.Addr == b.Addr
	}
	return false
}

// Close resets fd if it has connected; in SYN_SENT it closes without a packet. After a FIN,
// sshd would log the connection and, since OpenSSH 9.8, penalize it (PerSourcePenalties). An
// MPTCP socket in SYN_SENT sends a RST if SO_LINGER is set, so it is not set then.
func (k *kernel) Close(t *Transport, fd int) {
	if _, ok := k.children.running[fd]; ok {
		k.dismiss(fd)
		return
	}
	if _, ok := k.checks[fd]; ok {
		k.endCheck(fd)
		return
	}
	connected := true
	if t.EagerACK {
		_, err := unix.Getpeername(fd)
		connected = err == nil
	}
	if connected {
		resetOnClose(fd)
	}
	unix.Close(fd)
	k.forget(fd)
}

// resetOnClose makes close(2), or the end of this process, send a RST.
func resetOnClose(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// forget removes fd from polls, which keep their order, if it is there.
func (k *kernel) forget(fd int) {
	i, ok := k.index[fd]
	if !ok {
		return
	}
	k.polls[i].Fd = -1
	k.needsCompact = true
	delete(k.index, fd)
	delete(k.peeked, fd)
}

// compact removes closed descriptors from polls: poll(2) refuses a list that is longer than
// RLIMIT_NOFILE, even if it has -1.
func (k *kernel) compact() {
	k.needsCompact = false
	live := k.polls[:k.base]
	for _, p := range k.polls[k.base:] {
		if p.Fd >= 0 {
			k.index[int(p.Fd)] = len(live)
			live = append(live, p)
		}
	}
	k.polls = live
}
