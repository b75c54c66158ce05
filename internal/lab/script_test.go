//go:build linux

package lab

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	needWire(t)
	noLeak(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts in testdata", err)
	}
	RunStories(t, testscript.Params{Files: files, Setup: Setup, Cmds: Commands(), WorkdirRoot: t.TempDir()}, 1)
}
