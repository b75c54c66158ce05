//go:build !unix

package engine

import (
	"context"
	"errors"
)

// kernel: there is no implementation for this system.
type kernel struct{ system }

func newKernel(context.Context, *Dialer, *Started) (*kernel, error) {
	return nil, errors.ErrUnsupported
}

func (*kernel) shut() {}
func (*kernel) reap() {}
