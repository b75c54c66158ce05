//go:build linux

package lab

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	needWire(t)
	noLeak(t)
	t.Run("all", func(t *testing.T) { // returns when its parallel scripts have
		testscript.Run(t, testscript.Params{Dir: "testdata", Setup: Setup, Cmds: Commands()})
	})
}
