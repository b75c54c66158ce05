//go:build linux

package lab

import (
	"path/filepath"
	"strings"
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
	queue := Queue{Jobs: 1}
	for _, file := range files {
		queue.Stories = append(queue.Stories, Story{Name: strings.TrimSuffix(filepath.Base(file), ".txtar"), File: file})
	}
	RunStories(t, testscript.Params{Setup: Setup, Cmds: Commands(), WorkdirRoot: t.TempDir()}, queue)
}
