//go:build unix && !linux

package engine

import (
	"errors"

	"fdrace/internal/resolve"

	"golang.org/x/sys/unix"
)

func vsockSocket(int) (fd int, err error) { return -1, errors.ErrUnsupported }

func vsockAddr(resolve.Socket) unix.Sockaddr { return nil }
