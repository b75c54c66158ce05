// Package stackgrow makes room on the main goroutine's stack, before any other
// package needs it.
//
// A goroutine begins with 2 KB. A race needs 6 KB and the flag parser twice as
// much, for which the runtime doubles the stack step by step. Each step writes
// to every page of a new span of stacks, and reads what the linker knows of every
// caller, which pages the program in from all over: the steps are a twelfth of
// the page faults of a run without flags, and a fifth of one with them. One step
// to 32 KB while there is hardly a caller yet costs one fault: a stack of that
// size has a span of its own, of which no page is touched before it is used.
//
// It imports nothing, so that it is initialized early: Go takes the
// packages whose imports are ready in the order of their paths.
package stackgrow

func init() { grow(0) }

// grow has a frame that only a stack of 32 KB has room for, and with n 0 leaves
// it alone.
//
//go:noinline
func grow(n int) byte {
	if n == 0 {
		return 0
	}
	var frame [20 << 10]byte
	frame[n] = 1
	return frame[n/2]
}
