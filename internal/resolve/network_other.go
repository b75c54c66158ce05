//go:build !linux

package resolve

import "net/netip"

// Network returns "": it is implemented for Linux only.
func Network(netip.Addr, int) string { return "" }
