//go:build !linux || !(amd64 || arm64)

package prestart

import (
	"net/netip"
	"time"
)

// Link is empty: there is nothing to tell the linker.
const Link = ""

// Taken returns none: here the program begins with the runtime.
func Taken() (begun map[netip.AddrPort]int, age time.Duration) { return nil, 0 }

// State returns "off" and why.
func State() string { return "off: only for Linux on amd64 and arm64" }
