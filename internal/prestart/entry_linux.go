//go:build (amd64 || arm64) && !race && !msan && !asan && !noprestart

package prestart

// built says that this build has the entry.
const built = true

// zeroG stands for the g of the runtime. It is larger than what compiled code reads
// of one.
var zeroG [64]uintptr

// tls is where amd64 has the address of g.
var tls [2]uintptr

// What is used by assembly alone is said to be unused.
var _, _, _ = begin, &zeroG, &tls
