package engine

import "time"

// maxOpen bounds the connections to one address that are open at a time, by all transports.
const maxOpen = 4

// An attempt is all connections to a candidate by one transport, called tries. There is
// one, or several if nobody answers; the first answer counts. Events and errors report
// them as one.
type attempt struct {
	*candidate
	transport int
	before    *attempt      // the attempt by the previous transport, or nil
	began     time.Duration // when its first try started
	lastBegan time.Duration // when its last try started
	tries     int           // started so far
	discarded int           // tries that the race closed to start again later, not because they were silent
	open      [maxOpen]try
	n         int // open[:n] are open, the oldest first

	// These describe the try that has connected. fd is -1 before that, and again
	// after the race has closed it to start again later.
	fd        int
	number    int           // of the try, from 1
	answered  time.Duration // when it connected
	handshake time.Duration // how long that took

	talk  *handshake // with a proxy or multiplexer, once it is asked for the target
	check hostCheck

	peekAt time.Duration // when to look for the rest of its banner, if in race.peeks

	listed    bool  // in race.attempts
	connected bool  // Connected was reported
	shown     bool  // its handshake is complete: the server sees it
	ended     bool  // it has failed or won, or was cancelled
	err       error // why it has failed, or why it is waiting
	was       error // why it failed in an earlier round: see Dialer.Wait
}

// A try is one connection of an attempt.
type try struct {
	fd     int
	number int // from 1
	began  time.Duration
}

// pending reports whether a has started and has no answer.
func (a *attempt) pending() bool { return !a.ended && a.fd < 0 && a.n > 0 }

// pendingBefore reports whether a was pending before now.
func (a *attempt) pendingBefore(now time.Duration) bool {
	return a.pending() && a.open[a.n-1].began < now
}

func (a *attempt) add(t try) {
	a.open[a.n] = t
	a.n++
}

// remove takes the try of fd out of open.
func (a *attempt) remove(fd int) {
	for i, t := range a.open[:a.n] {
		if t.fd == fd {
			copy(a.open[i:], a.open[i+1:a.n])
			a.n--
			return
		}
	}
}

// answer records that the try of fd has connected.
func (a *attempt) answer(fd int, now time.Duration) {
	for _, t := range a.open[:a.n] {
		if t.fd == fd {
			a.fd, a.number, a.answered, a.handshake = fd, t.number, now, now-t.began
		}
	}
}

// close closes one try of a.
func (r *race) close(a *attempt, fd int) {
	r.sys.Close(&r.transports[a.transport], fd)
	delete(r.byFD, fd)
	a.remove(fd)
}

// closeTries closes all tries of a.
func (r *race) closeTries(a *attempt) {
	for a.n > 0 {
		r.close(a, a.open[0].fd)
	}
	a.fd = -1
	r.leave(a)
}
