//go:build unix && !linux

package mptcp

import "errors"

// Socket returns errors.ErrUnsupported: MPTCP sockets are Linux's.
func Socket(domain int) (fd int, err error) { return -1, errors.ErrUnsupported }

// Supported returns errors.ErrUnsupported.
func Supported() error { return errors.ErrUnsupported }

// InUse returns errors.ErrUnsupported.
func InUse(fd int) (bool, error) { return false, errors.ErrUnsupported }
