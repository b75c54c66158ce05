//go:build linux

package lab

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Priorities of real-time scheduling. What a test measures is not to wait for a
// processor that a compiler uses: neither the network nor the helper on it.
const (
	prioNormal = iota
	prioHelper
	prioWire
)

// setPriority is for the calling thread, which must be locked, and for what it
// starts. To all but root it is refused.
func setPriority(p uint32) error {
	policy := uint32(unix.SCHED_FIFO)
	if p == prioNormal {
		policy = unix.SCHED_NORMAL
	}
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: p}, 0)
}

// watchStalls naps on every processor of the host until stop is called, which
// says by how much the worst nap was too long: what the machine may at that
// time have done to a helper there.
func watchStalls(h *Host) (stop func() (time.Duration, error), err error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("stalls: affinity: %w", err)
	}
	stopped := make(chan struct{})
	type outcome struct {
		worst time.Duration
		err   error
	}
	outcomes := make(chan outcome)
	for cpu, left := 0, allowed.Count(); left > 0; cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		left--
		go func() {
			var o outcome
			o.err = h.Do(func() (err error) {
				o.worst, err = naps(cpu, stopped)
				return err
			})
			outcomes <- o
		}()
	}
	return func() (worst time.Duration, err error) {
		close(stopped)
		for range allowed.Count() {
			o := <-outcomes
			worst, err = max(worst, o.worst), errors.Join(err, o.err)
		}
		return worst, err
	}, nil
}

// naps sleeps on one processor again and again, each time to be woken by a
// datagram that it sends itself: a busy kernel delays packets, too. It returns
// by how much it overslept at most. It spoils its thread.
func naps(cpu int, stopped <-chan struct{}) (worst time.Duration, err error) {
	const length = time.Millisecond
	var only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return 0, fmt.Errorf("stalls: affinity: %w", err)
	}
	setPriority(prioHelper) // refused, as it is to the helper
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("stalls: socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("stalls: bind: %w", err)
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("stalls: getsockname: %w", err)
	}
	nap := unix.NsecToTimespec(int64(length))
	for {
		select {
		case <-stopped:
			return worst, nil
		default:
		}
		start := time.Now()
		unix.Nanosleep(&nap, nil) // a signal makes it shorter, which is no harm
		if err := unix.Sendto(fd, []byte{0}, 0, self); err != nil {
			return worst, fmt.Errorf("stalls: send: %w", err)
		}
		if _, _, err := unix.Recvfrom(fd, make([]byte, 1), 0); err != nil {
			return worst, fmt.Errorf("stalls: receive: %w", err)
		}
		worst = max(worst, time.Since(start)-length)
	}
}
