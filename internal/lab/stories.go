//go:build linux

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	// maxAttempts is how often a story is run that is late, or wrong in something else
	// that depends on a time. maxDoubtful is how often one is run that fails in another
	// way while the machine is busy, and maxBeside how often one is run that fails
	// beside others: all stories share the kernel, and some fill its tables.
	maxAttempts = 5
	maxDoubtful = 3
	maxBeside   = 2

	// The machine was busy if it stalled for this long, or if for this share of the
	// time some thread had to wait for a processor. A server that starts may then need
	// longer than fdrace's --delay of 250 ms.
	busyStall    = 100 * time.Millisecond
	busyPressure = 0.5

	// If each attempt had a stall as long as hopelessStall, more than the times that a
	// story distinguishes, the story is skipped as inconclusive.
	hopelessStall = 500 * time.Millisecond
)

// repeats has the name of a story, and how it failed, for each time that it was run again.
var repeats struct {
	sync.Mutex
	names []string
}

// RunStories runs each story of params as a subtest, in their order, jobs at a time.
//
// A busy machine makes races slower, and nothing makes them faster. So a story that
// fails because of a time, while the machine is busy, or beside others, is run again,
// alone. A program that is too late is so each time.
func RunStories(t *testing.T, params testscript.Params, jobs int) {
	t.Helper()
	host, err := NewHost("probe")
	if err != nil {
		t.Fatal(err)
	}
	probe, err := ProbeStalls(host)
	if err != nil {
		t.Fatal(err)
	}
	files := make(chan string)
	var running sync.WaitGroup
	var beside sync.RWMutex // a reader runs beside others, a writer alone
	for range jobs {
		running.Go(func() {
			for file := range files {
				one := params
				one.Files = []string{file}
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runStory(t, one, probe, &beside, jobs > 1) })
			}
		})
	}
	for _, file := range params.Files {
		files <- file
	}
	close(files)
	running.Wait()
	if err := errors.Join(probe.Close(), host.Close()); err != nil {
		t.Error(err)
	}
}

// runStory runs the one story of params until it passes, or fails for good: the first
// time as a reader of beside, then as a writer. others reports whether there may be other
// readers.
func runStory(t *testing.T, params testscript.Params, probe *StallProbe, beside *sync.RWMutex, others bool) {
	hopeless := true
	for n := 1; ; n++ {
		turn := beside.RLocker()
		if n > 1 {
			turn = beside
		}
		turn.Lock()
		start, before := time.Now(), readPressure()
		a := attempt(t, params, probe, turn.Unlock)
		stall, waits := probe.Worst(start), readPressure().since(before)
		busy := stall >= busyStall || waits >= busyPressure
		hopeless = hopeless && stall >= hopelessStall
		machine := fmt.Sprintf("the machine stalled for %v; threads waited for a processor %.0f %% of the time", stall.Round(time.Millisecond), 100*waits)
		switch {
		case a.skipped:
			t.Skip(&a.log)
		case !a.failed:
			return
		case a.inexact && n < maxAttempts, busy && n < maxDoubtful, others && n < maxBeside:
			repeats.Lock()
			repeats.names = append(repeats.names, filepath.Base(t.Name())+" ("+a.failure()+")")
			repeats.Unlock()
			t.Logf("run again: %s\n%s", machine, &a.log)
		case hopeless:
			t.Skipf("inconclusive: run it on a machine that has less to do: %s\n%s", machine, &a.log)
		default:
			t.Fatalf("%s\n%s", machine, &a.log)
		}
	}
}

// An attemptT is the testing.T of one attempt at a story: the story has failed only if
// each attempt does.
type attemptT struct {
	testing.TB
	log             bytes.Buffer
	failed, skipped bool
	inexact         bool // see scenario.inexact
}

// attempt runs the one story of params, in a directory of its own, and then done.
func attempt(t *testing.T, params testscript.Params, probe *StallProbe, done func()) *attemptT {
	defer done()
	a := &attemptT{TB: t}
	root, err := os.MkdirTemp(params.WorkdirRoot, "")
	if err != nil {
		t.Fatal(err)
	}
	params.WorkdirRoot = root
	setup := params.Setup
	params.Setup = func(env *testscript.Env) error {
		env.Values[probeKey{}] = probe
		err := setup(env)
		if s, ok := env.Values[scenarioKey{}].(*scenario); ok {
			env.Defer(func() { a.inexact = s.inexact })
		}
		return err
	}
	testscript.RunT(a, params)
	return a
}

// Run calls f on a goroutine that ends with it, as testing.T does: a story's thread
// is inside its host, and is discarded.
func (a *attemptT) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(a)
	}()
	<-done
}

// failure returns the line of the log that says what failed.
func (a *attemptT) failure() string {
	_, text, _ := strings.Cut(a.log.String(), "FAIL: ")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

func (a *attemptT) Parallel()         {}
func (a *attemptT) Verbose() bool     { return testing.Verbose() }
func (a *attemptT) Failed() bool      { return a.failed }
func (a *attemptT) Log(args ...any)   { fmt.Fprintln(&a.log, args...) }
func (a *attemptT) Error(args ...any) { a.Log(args...); a.failed = true }
func (a *attemptT) Fatal(args ...any) { a.Log(args...); a.FailNow() }
func (a *attemptT) FailNow()          { a.failed = true; runtime.Goexit() }
func (a *attemptT) Skip(args ...any)  { a.Log(args...); a.skipped = true; runtime.Goexit() }

// maxRepeats is how many repeats a run of all stories may need. An idle machine needs
// one or two, and one that also builds something about ten. A program that is late now
// and then needs more.
const maxRepeats = 30

// Exit ends a test's process with the status of its tests, after it has printed which
// stories were run again. It lets no run pass that needed too many. TestMain calls it
// instead of os.Exit. As go test shows nothing of tests that pass, the line is also
// added to the file that FDRACE_REPEATS names.
func Exit(status int) {
	n := len(repeats.names)
	if n > 0 {
		line := fmt.Sprintf("%d repeats, as stories were late, the machine was busy, or others ran beside them:\n\t%s\n", n, strings.Join(repeats.names, "\n\t"))
		fmt.Print("lab: ", line)
		if name := os.Getenv("FDRACE_REPEATS"); name != "" {
			if f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
				f.WriteString(line)
				f.Close()
			}
		}
	}
	if n > maxRepeats && status == 0 {
		fmt.Printf("FAIL: more than %d repeats: the program is late now and then, or the machine has too much to do\n", maxRepeats)
		status = 1
	}
	os.Exit(status)
}
