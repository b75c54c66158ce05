//go:build !linux || !(amd64 || arm64)

package prestart

import (
	"net/netip"
	"time"
)

// Link is nothing that the linker need be told.
const Link = ""

// Taken returns none: here the program begins with the runtime.
func Taken() (begun map[netip.AddrPort]int, age time.Duration) { return nil, 0 }
