//go:build unix && !linux

package engine

import "errors"

func bindToDevice(int, string) error { return errors.ErrUnsupported }
