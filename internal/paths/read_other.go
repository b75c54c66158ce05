//go:build !linux

package paths

import "errors"

func read() ([]link, error) { return nil, errors.ErrUnsupported }
