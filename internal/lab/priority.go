//go:build linux

package lab

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Priorities of real-time scheduling. What a test measures must not wait for a
// processor that a compiler uses: neither the network nor the helper on it.
const (
	prioNormal = iota
	prioHelper
	prioWire
)

var errRaceDetector = errors.New("no real-time priority under the race detector")

// setPriority sets the policy and priority of the calling thread, which must be
// locked, and of the processes it starts. Only root may raise it.
//
// Under the race detector it does nothing: the detector's locks spin, and a
// real-time thread that waits for one keeps its holder from a processor until the
// kernel throttles it, after 0.95 s (sched_rt_runtime_us).
func setPriority(p uint32) error {
	if raceDetector {
		return errRaceDetector
	}
	policy := uint32(unix.SCHED_FIFO)
	if p == prioNormal {
		policy = unix.SCHED_NORMAL
	}
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: p}, 0)
}
