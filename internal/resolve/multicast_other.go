//go:build !linux

package resolve

import (
	"errors"
	"net/netip"
	"os"
)

func joinGroup(netip.AddrPort, int) (*os.File, error) { return nil, errors.ErrUnsupported }
