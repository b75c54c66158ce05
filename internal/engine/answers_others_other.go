//go:build unix && !linux

package engine

import (
	"errors"
	"time"
)

func answersOthers(int, time.Duration) (bool, error) { return false, errors.ErrUnsupported }
