//go:build unix && !linux

package race

import (
	"errors"

	"fdrace/race/resolve"

	"golang.org/x/sys/unix"
)

func vsockSocket(int) (fd int, err error) { return -1, errors.ErrUnsupported }

func vsockAddr(resolve.Socket) unix.Sockaddr { return nil }
