//go:build !unix

package fdpass

import "errors"

// ErrNotSocket says that none of the descriptors is a Unix-domain stream socket.
var ErrNotSocket = errors.New("not a Unix-domain socket")

// FindSocket returns errors.ErrUnsupported.
func FindSocket(fds ...int) (int, error) { return -1, errors.ErrUnsupported }

// Send returns errors.ErrUnsupported.
func Send(sock, fd int) error { return errors.ErrUnsupported }

// Receive returns errors.ErrUnsupported.
func Receive(sock int) (fd int, err error) { return -1, errors.ErrUnsupported }
