//go:build !linux

package resolve

import "net"

// InterfaceByName finds an interface by its name.
func InterfaceByName(name string) (*net.Interface, error) { return net.InterfaceByName(name) }
