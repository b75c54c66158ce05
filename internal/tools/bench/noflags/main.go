//go:build unix

// Command noflags is fdrace without the flag parser, nor anything else that
// common lines need not: what it costs to have that linked in.
package main

import (
	"errors"

	"fdrace/internal/helper"
)

func main() {
	helper.Main(func(*helper.Options, []string) (func(*helper.Options) error, error) {
		return nil, errors.New("not a common line")
	})
}
