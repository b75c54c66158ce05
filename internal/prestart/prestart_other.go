//go:build !linux || !(amd64 || arm64)

package prestart

import (
	"time"

	"fdrace/internal/stub"
)

// Link is empty: there is nothing to tell the linker.
const Link = ""

// Handoff returns nothing: here the program begins with the runtime.
func Handoff() (conns []Conn, lookups map[string]*stub.Exchange, age time.Duration) {
	return nil, nil, 0
}

// State returns "off" and why.
func State() string { return "off: only for Linux on amd64 and arm64" }
