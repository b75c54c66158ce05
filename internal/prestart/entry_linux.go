//go:build (amd64 || arm64) && !race && !msan && !asan && !noprestart

package prestart

// built says that this build has the entry.
const built = true

// zeroG stands for g. It is larger than the part of g that compiled code reads.
var zeroG [64]uintptr

// tls is the thread-local storage of amd64: the address of g is below FS.
var tls [2]uintptr

// Only assembly uses these: linters would call them unused.
var _, _, _ = begin, &zeroG, &tls
