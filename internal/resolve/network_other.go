//go:build !linux

package resolve

import "net/netip"

// Network needs Linux: elsewhere nothing tells networks apart.
func Network(netip.Addr, int) string { return "" }
