// Package prestart races the targets of a common command line before the Go runtime
// starts, which takes longer than a connection over loopback. If a connection succeeds,
// it is passed to ssh and the process ends. What is not a common command line, fails,
// or takes longer than [Patience], is left to the runtime, with all sockets and
// lookups: see [Handoff].
//
// The linker makes _fdrace_linux the program's entry point (see [Link]). It calls
// begin, which is compiled Go code without a runtime. That works under these
// assumptions:
//
//   - Compiled code finds its goroutine g in a register (arm64) or in thread-local
//     storage (amd64, where FS must be set first). Of g it reads only the stack guard.
//     zeroG stands for g: a stack guard of 0 never makes a function ask for more stack.
//     The kernel's stack is large enough.
//   - A write barrier runs only if runtime.writeBarrier is set. It is 0 until the first
//     garbage collection.
//   - No code that is reached calls the runtime, by allocating for instance (TestCalls),
//     or can fail a bounds check (TestBounds). Packages stub and rawsys, which are
//     called, obey the same rules.
//   - No package is initialized yet: variables have only what the linker can put there.
//   - Nothing that is set here disturbs the runtime. It sets FS and the actions of
//     signals itself, and its memory is not touched. A huge GOMAXPROCS in the
//     environment is made a small one.
//   - With cgo, the dynamic linker has to run first. The entry then does nothing.
//   - The race detector and the sanitizers call their own runtimes. The entry is not in
//     such builds, nor in those with the tag noprestart.
//
// TestStart and TestStartOtherwise of cmd/fdrace run builds of several kinds. The
// Makefile runs what it has built, and links it without the entry if that fails.
package prestart

import (
	"net/netip"
	"time"

	"fdrace/internal/stub"
)

// Patience is how long the race goes on without the runtime. Until then there is
// nothing to do but wait: the next address of a name, or the plain twin of an MPTCP
// attempt, starts after --delay, which is longer.
const Patience = 200 * time.Millisecond

// A Conn is a connection that was begun before the runtime started.
type Conn struct {
	Peer netip.AddrPort
	FD   int
	At   time.Duration // when, since the race began
}

func toNetip(a *stub.Addr) netip.Addr {
	if a.Is4 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	return netip.AddrFrom16(a.IP)
}
