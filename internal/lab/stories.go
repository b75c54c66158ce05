//go:build linux

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	// maxAttempts is how often a story is run that is late, or wrong in something else
	// that depends on a time. maxDoubtful is how often one is run that fails in another
	// way while the machine is busy. One that fails beside others is run once more at
	// least: all stories share the kernel, and some fill its tables.
	maxAttempts = 5
	maxDoubtful = 3

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

// A Story is a script that is run as a subtest.
type Story struct {
	Name, File string
	Env        []string // NAME=VALUE for the script, in addition to what Setup sets
	Share      int      // how many of its queue's jobs it takes; 0 means 1
	Alone      bool     // it needs the machine for itself
}

// A Queue is stories that begin in their order, so many at a time as there are jobs.
type Queue struct {
	Jobs    int
	Stories []Story
}

// RunStories runs the queues side by side, each story as a subtest. Those that need the
// machine for themselves follow.
//
// A busy machine makes races slower, and nothing makes them faster. So a story that
// fails because of a time, while the machine is busy, or beside others, is run again,
// alone, when all others have had their turn. A program that is too late is so each time.
func RunStories(t *testing.T, params testscript.Params, queues ...Queue) {
	t.Helper()
	host, err := NewHost("probe")
	if err != nil {
		t.Fatal(err)
	}
	r := runner{params: params}
	if r.probe, err = ProbeStalls(host); err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		r.beside.Add(len(q.Stories))
	}
	var begun sync.WaitGroup
	for _, q := range queues {
		begun.Go(func() { r.begin(t, q) })
	}
	begun.Wait()
	r.running.Wait()
	if err := errors.Join(r.probe.Close(), host.Close()); err != nil {
		t.Error(err)
	}
}

// A runner runs stories.
type runner struct {
	params  testscript.Params
	probe   *StallProbe
	running sync.WaitGroup
	beside  sync.WaitGroup // those that have not had their turn beside others
	alone   sync.Mutex     // held by the one that runs when all have
}

// begin returns when the last story of q has begun.
func (r *runner) begin(t *testing.T, q Queue) {
	jobs := make(chan struct{}, q.Jobs)
	for _, s := range q.Stories {
		share := min(max(1, s.Share), q.Jobs)
		if s.Alone {
			share = 0
		}
		for range share {
			jobs <- struct{}{}
		}
		leave := sync.OnceFunc(func() {
			for range share {
				<-jobs
			}
			r.beside.Done()
		})
		r.running.Go(func() {
			t.Run(s.Name, func(t *testing.T) { r.run(t, s, leave) })
			leave() // after a skip, or if -run does not match the name
		})
	}
}

// run runs a story until it passes, or fails for good: first beside others, until it calls
// leave, and then alone.
func (r *runner) run(t *testing.T, s Story, leave func()) {
	params := r.params
	params.Files = []string{s.File}
	params.Setup = func(env *testscript.Env) error {
		err := r.params.Setup(env)
		env.Vars = append(env.Vars, s.Env...)
		return err
	}
	hopeless, alone := true, false
	for n := 1; ; n++ {
		if !alone && (s.Alone || n > 1) {
			leave()
			r.beside.Wait()
			r.alone.Lock()
			defer r.alone.Unlock()
			alone = true
		}
		start, before := time.Now(), readPressure()
		a := attempt(t, params, r.probe)
		stall, waits := r.probe.Worst(start), readPressure().since(before)
		busy := stall >= busyStall || waits >= busyPressure
		hopeless = hopeless && stall >= hopelessStall
		machine := fmt.Sprintf("the machine stalled for %v; threads waited for a processor %.0f %% of the time", stall.Round(time.Millisecond), 100*waits)
		switch {
		case a.skipped:
			t.Skip(&a.log)
		case !a.failed:
			if testing.Verbose() {
				t.Log(&a.log)
			}
			return
		case a.inexact && n < maxAttempts, busy && n < maxDoubtful, !alone:
			repeats.Lock()
			repeats.names = append(repeats.names, s.Name+" ("+a.failure()+")")
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

// attempts counts the attempts at stories, to name their directories.
var attempts atomic.Int64

// attempt runs the one story of params, in a directory of its own.
func attempt(t *testing.T, params testscript.Params, probe *StallProbe) *attemptT {
	a := &attemptT{TB: t}
	// The path is short: that of a Unix socket has at most 107 bytes.
	root := filepath.Join(params.WorkdirRoot, strconv.FormatInt(attempts.Add(1), 36))
	if err := os.Mkdir(root, 0o700); err != nil {
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
