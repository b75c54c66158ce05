// Package prestart races addresses and names before Go's runtime is up.
//
// Most of what ssh waits for, where the server is near, is a runtime that starts
// for a dozen system calls: it maps its heap, takes 65 signals, starts threads,
// and initializes 30 packages. A race needs none of that until somebody has answered,
// or nobody has for a while: the first address of each target is all there is to try.
// So the linker has the program begin in this package (-E, in .ci/build), which
// connects, passes ssh the first socket that has, and exits. By then no thread has
// been started, and no page of a heap been touched.
//
// Whatever is not as simple is left to the runtime, which starts as if nothing
// had been: every other command line, a log, a stdout that takes no socket.
// Connections and lookups that are under way are left, too, and Taken is how the race
// comes by them: the runtime has started while the first packets were on their way. A
// program that was linked in another way begins with the runtime, and so does one
// with FDRACE_PRESTART=0 in its environment.
//
// # Assumptions
//
// What runs here is ordinary compiled code, and relies on the following. A new
// version of Go, or of the linker, may end any of them; tests and the Makefile look
// for it.
//
//   - The linker takes the entry symbol from -E, and the program is linked
//     statically, at a fixed address. If a dynamic linker has run first (cgo, PIE),
//     the entry goes on to the runtime at once. The Makefile runs each program that
//     it has linked, and links it again without -E if that fails.
//   - Of g compiled code reads the limit of the stack alone (g.stackguard0), and
//     zeroG is all zeros: the stack is never too small, and never grows. It is the
//     kernel's, of 8 MB by default; this package needs less than 16 KB.
//   - g is in R14 and below FS on amd64, and in R28 on arm64; X15 is zero on amd64.
//     The entry sets the first, and calls begin by the ABI of assembly (ABI0), whose
//     wrapper sets the others. The runtime's own entry reads no register, and finds
//     the stack as the kernel has made it.
//   - The zero value of runtime.writeBarrier says that no garbage collection runs.
//     No pointer stored here is to the heap: the collector misses nothing.
//   - memmove, memequal and the like need no initialization: where the flags of
//     internal/cpu are not set they use what every processor has. With GOAMD64=v3 the
//     code here runs before the runtime has looked for such a processor.
//   - No function allocates, panics, or calls the runtime (TestCalls walks all
//     calls), and no bounds check can fail (TestBounds).
//   - Nothing has been instrumented. A build for -race, -msan or -asan calls its own
//     runtime at each access: there, and with the tag noprestart, the program begins
//     with Go's runtime. -d=checkptr checks no function marked go:nocheckptr. -cover
//     counts in plain memory; a race that ends here writes no counts.
//   - Signals have the actions that the parent has set, which Go's runtime changes
//     later.
package prestart
