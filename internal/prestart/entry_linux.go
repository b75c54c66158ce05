//go:build amd64 || arm64

package prestart

// Link is what the linker is told, so that the program begins here.
const Link = "-E _fdrace_linux"

// nobody stands for the g of the runtime, which is larger than what compiled
// code looks at: the limit of its stack, 0 being below any.
var nobody [64]uintptr

// tls is where amd64 has the address of g.
var tls [2]uintptr

// What is used by assembly alone is said to be unused.
var _, _, _ = begin, &nobody, &tls
