//go:build !linux

package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

func neighbors(string, net.HardwareAddr) ([]netip.Addr, error) { return nil, errors.ErrUnsupported }

// SolicitNeighbor returns errors.ErrUnsupported: it needs Linux.
func SolicitNeighbor(context.Context, string, net.HardwareAddr, func([]netip.Addr)) error {
	return errors.ErrUnsupported
}
