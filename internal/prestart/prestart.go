// Package prestart races addresses before Go's runtime is up.
//
// Most of what ssh waits for, where the server is near, is a runtime that starts
// for a dozen system calls: it maps its heap, takes 65 signals, starts threads,
// and initializes 30 packages. A race of addresses has nothing to look up, and
// until somebody has answered, or nobody has for a while, nothing else to do.
// So the linker has the program begin in this package (-E, in the Makefile),
// which connects, passes ssh the first socket that has, and exits. By then no
// thread has been started, and no page of a heap been touched.
//
// Whatever is not as simple is left to the runtime, which starts as if nothing
// had been: every other command line, a log, a stdout that takes no socket.
// Connections that are under way are left, too, and Taken is how the race comes
// by them: the runtime has started while the first packets were on their way. A
// program that was linked in another way begins with the runtime.
//
// What runs without the runtime must do without the heap, goroutines, panics,
// and whatever a package has to initialize. begin, and what it calls, is
// written so, and a test looks at what that is.
package prestart
