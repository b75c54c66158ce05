//go:build !linux

package mptcp

import (
	"errors"
	"syscall"
	"time"
)

// Socket returns errors.ErrUnsupported: only Linux has MPTCP sockets.
func Socket(domain int) (fd int, err error) { return -1, errors.ErrUnsupported }

// Supported returns errors.ErrUnsupported.
func Supported() error { return errors.ErrUnsupported }

// InUse returns errors.ErrUnsupported.
func InUse(c syscall.Conn) (bool, error) { return false, errors.ErrUnsupported }

// InUseFD returns errors.ErrUnsupported.
func InUseFD(fd int) (bool, error) { return false, errors.ErrUnsupported }

// Paused returns errors.ErrUnsupported.
func Paused() (bool, error) { return false, errors.ErrUnsupported }

// ConnectLimit returns 0: there is no limit.
func ConnectLimit() time.Duration { return 0 }

// GrowReceiveBuffer returns errors.ErrUnsupported.
func GrowReceiveBuffer(fd int) error { return errors.ErrUnsupported }

// ReadInfo returns errors.ErrUnsupported.
func ReadInfo(c syscall.Conn) (*Info, error) { return nil, errors.ErrUnsupported }

// Endpoints returns errors.ErrUnsupported.
func Endpoints() ([]Endpoint, error) { return nil, errors.ErrUnsupported }

// ReadLimits returns errors.ErrUnsupported.
func ReadLimits() (Limits, error) { return Limits{}, errors.ErrUnsupported }
