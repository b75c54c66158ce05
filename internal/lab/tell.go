//go:build linux

package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TellExactly runs the stories of params that measure when a packet left: one at
// a time, so that none takes the processor from another. Nothing makes a race
// quicker than it is, but much makes it later: a story that fails by a time
// alone is told again, and a program that is late is so each time.
func TellExactly(t *testing.T, params testscript.Params) {
	const tries = 5
	for _, file := range params.Files {
		once := params
		once.Files = []string{file}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			for n := 1; ; n++ {
				told := tell(t, once)
				switch {
				case told.failed && told.inexact && n < tries:
					t.Logf("told again, as this was only late:\n%s", &told.log)
					continue
				case told.failed:
					t.Error(&told.log)
				case told.skipped:
					t.Skip(&told.log)
				}
				return
			}
		})
	}
}

// A telling is one run of a story, which takes what testing.T would: the story
// has failed only if it does so each time.
type telling struct {
	testing.TB
	log             bytes.Buffer
	failed, skipped bool
	inexact         bool // see story.inexact
}

// tell runs the one story of params. Its directory is of this run alone.
func tell(t *testing.T, params testscript.Params) *telling {
	once := &telling{TB: t}
	root, err := os.MkdirTemp(params.WorkdirRoot, "")
	if err != nil {
		t.Fatal(err)
	}
	params.WorkdirRoot = root
	setup := params.Setup
	params.Setup = func(env *testscript.Env) error {
		err := setup(env)
		if s, ok := env.Values[storyKey{}].(*story); ok {
			env.Defer(func() { once.inexact = s.inexact })
		}
		return err
	}
	testscript.RunT(once, params)
	return once
}

// Run has a goroutine for f, as testing.T has: it is f's to end, and its thread's
// to be thrown away.
func (o *telling) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(o)
	}()
	<-done
}

func (o *telling) Parallel()         {}
func (o *telling) Verbose() bool     { return testing.Verbose() }
func (o *telling) Failed() bool      { return o.failed }
func (o *telling) Log(args ...any)   { fmt.Fprintln(&o.log, args...) }
func (o *telling) Error(args ...any) { o.Log(args...); o.failed = true }
func (o *telling) Fatal(args ...any) { o.Log(args...); o.FailNow() }
func (o *telling) FailNow()          { o.failed = true; runtime.Goexit() }
func (o *telling) Skip(args ...any)  { o.Log(args...); o.skipped = true; runtime.Goexit() }
