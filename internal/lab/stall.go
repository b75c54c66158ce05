//go:build linux

package lab

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// nap is how long a probe sleeps at a time.
	nap = time.Millisecond
	// stallNoise is what every machine has now and then; it is not recorded.
	stallNoise = nap
)

// A StallProbe measures for how long this machine makes ready threads and
// packets wait: a thread on each processor naps, and is woken by a datagram that
// it sends to itself, as a busy kernel delays packets, too.
type StallProbe struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	began  []time.Time // by thread: its current nap; zero before the first
	stalls []stall
	err    error
}

// A stall is a nap that was too long.
type stall struct {
	end  time.Time
	long time.Duration // more than nap
}

// ProbeStalls starts a probe in the host, with the priority that Run gives to a
// helper. The caller closes it before the host.
func ProbeStalls(h *Host) (*StallProbe, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("stalls: affinity: %w", err)
	}
	var cpus []int
	for cpu := 0; len(cpus) < allowed.Count(); cpu++ {
		if allowed.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	p := &StallProbe{stop: make(chan struct{}), began: make([]time.Time, len(cpus))}
	for thread, cpu := range cpus {
		p.wg.Go(func() {
			if err := h.Do(func() error { return p.run(cpu, thread) }); err != nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.err = errors.Join(p.err, err)
			}
		})
	}
	return p, nil
}

// Close ends the probe.
func (p *StallProbe) Close() error {
	close(p.stop)
	p.wg.Wait()
	return p.err
}

// Worst returns the longest stall that ended after from, also one that has not
// ended yet.
func (p *StallProbe) Worst(from time.Time) (worst time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.stalls) - 1; i >= 0 && p.stalls[i].end.After(from); i-- {
		worst = max(worst, p.stalls[i].long)
	}
	for _, began := range p.began {
		if long := time.Since(began) - nap; !began.IsZero() && long > stallNoise {
			worst = max(worst, long)
		}
	}
	return worst
}

// woke records the nap of a thread that ends now, and begins the next.
func (p *StallProbe) woke(thread int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	began := p.began[thread]
	if long := now.Sub(began) - nap; !began.IsZero() && long > stallNoise {
		p.stalls = append(p.stalls, stall{now, long})
	}
	p.began[thread] = now
}

// run naps on one processor until the probe is closed. It changes its thread's
// affinity and priority: the thread must not be used for anything else.
func (p *StallProbe) run(cpu, thread int) error {
	var only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("stalls: affinity: %w", err)
	}
	setPriority(prioHelper) // where it is refused, the helper does not have it either
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("stalls: socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("stalls: bind: %w", err)
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("stalls: getsockname: %w", err)
	}
	length := unix.NsecToTimespec(int64(nap))
	for {
		p.woke(thread)
		select {
		case <-p.stop:
			return nil
		default:
		}
		unix.Nanosleep(&length, nil) // a signal makes it shorter, which does no harm
		if err := restart(func() error { return unix.Sendto(fd, []byte{0}, 0, self) }); err != nil {
			return fmt.Errorf("stalls: send: %w", err)
		}
		err := restart(func() error {
			_, _, err := unix.Recvfrom(fd, make([]byte, 1), 0)
			return err
		})
		if err != nil {
			return fmt.Errorf("stalls: receive: %w", err)
		}
	}
}
