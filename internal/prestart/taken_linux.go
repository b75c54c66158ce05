//go:build amd64 || arm64

package prestart

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Taken returns the sockets, non-blocking and now the caller's, on which
// connections have been under way for age, each with its peer. It does so once,
// and returns none if there are none. It is for the runtime to call.
func Taken() (begun map[netip.AddrPort]int, age time.Duration) {
	if left.n == 0 {
		return nil, 0
	}
	begun = map[netip.AddrPort]int{}
	for i, fd := range left.fds[:left.n] {
		if fd >= 0 {
			begun[netip.AddrPortFrom(found.addrs[i].netip(), found.port)] = fd
		}
	}
	left.n = 0
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it has worked before
	return begun, time.Duration(now.Nano() - left.since.Nano())
}
