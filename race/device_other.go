//go:build unix && !linux

package race

import "errors"

func bindToDevice(int, string) error { return errors.ErrUnsupported }
