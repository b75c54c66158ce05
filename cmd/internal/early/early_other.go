//go:build !linux || !(amd64 || arm64)

package early

import "time"

// Link is nothing that the linker need be told.
const Link = ""

// Taken returns none: here the program begins with the runtime.
func Taken() (fds []int, age time.Duration) { return nil, 0 }
