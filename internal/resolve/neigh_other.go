//go:build !linux

package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

func neighbours(string, net.HardwareAddr) ([]netip.Addr, error) { return nil, errors.ErrUnsupported }

// SolicitNeighbor needs Linux.
func SolicitNeighbor(context.Context, string, net.HardwareAddr, func([]netip.Addr)) error {
	return errors.ErrUnsupported
}
