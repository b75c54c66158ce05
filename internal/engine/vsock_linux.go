package engine

import (
	"fdrace/internal/resolve"

	"golang.org/x/sys/unix"
)

func vsockSocket(int) (fd int, err error) { return streamSocket(unix.AF_VSOCK) }

func vsockAddr(s resolve.Socket) unix.Sockaddr {
	return &unix.SockaddrVM{CID: s.CID, Port: s.Port}
}
