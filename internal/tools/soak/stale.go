//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	// staleRuns is how often each setting is tried in each direction.
	staleRuns = 30
	// staleJobs is how many sessions two processors carry at a time.
	staleJobs = 8
	// lineEvery keeps data under way all the time: it is less than a round trip.
	lineEvery = 2 * time.Millisecond
	// frozenAfter is how long a session has to stand still to count as frozen,
	// and staleWatch how long it is watched after its first path was cut.
	frozenAfter = 10 * time.Second
	staleWatch  = 12 * time.Second
)

// A staleCase is how the two hosts are set up.
type staleCase struct {
	name      string
	near, far []string // sysctls
}

var (
	staleOne  = []string{"net.mptcp.stale_loss_cnt=1"}
	staleFour = []string{"net.mptcp.stale_loss_cnt=4"} // the default
	roomyOne  = append([]string{"net.ipv4.tcp_rmem=4096 1048576 6291456"}, staleOne...)
)

var staleCases = []staleCase{
	{"4 (the default)", staleFour, staleFour},
	{"1 at the client", staleOne, staleFour},
	{"1 at the server", staleFour, staleOne},
	{"1 on both", staleOne, staleOne},
	{"1 on both, and tcp_rmem 1 MiB at the server", staleOne, roomyOne},
}

// outage is what a cut path did to a session: its longest pauses, and how often
// it froze.
type outage struct {
	pauses []time.Duration
	frozen int
}

// runStale cuts the first of two paths while a session prints a line every two
// milliseconds, and prints how long the output stood still. It fails if a session
// froze that should not: one whose output goes to the client, which fdrace has given
// a larger buffer; and one to a server that has a larger buffer, too.
func runStale(dir, fdrace string, runs, jobs int) error {
	if runs == 0 {
		runs = staleRuns
	}
	if jobs == 0 {
		jobs = staleJobs
	}
	type key struct {
		which int
		up    bool
	}
	var list []key
	for range runs {
		for which := range staleCases {
			list = append(list, key{which, false}, key{which, true})
		}
	}
	found := map[key]*outage{}
	var mu sync.Mutex
	err := sideBySide(len(list), jobs, func(i int) error {
		k := list[i]
		c := staleCases[k.which]
		work := filepath.Join(dir, fmt.Sprintf("stale%d", i))
		var pause time.Duration
		err := error(errBusy)
		const tries = 5
		for try := 0; errors.Is(err, errBusy) && try < tries; try++ {
			pause, err = cutInDir(work, fdrace, pathSettings{seed: uint64(i + 1), near: c.near, far: c.far}, k.up)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if found[k] == nil {
			found[k] = &outage{}
		}
		found[k].pauses = append(found[k].pauses, pause)
		if pause >= frozenAfter {
			found[k].frozen++
		}
		return nil
	})
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nnet.mptcp.stale_loss_cnt\toutput\tsessions\tfrozen\tpause of the others: median\tlongest\n")
	for which, c := range staleCases {
		for _, up := range []bool{false, true} {
			o := found[key{which, up}]
			if o == nil {
				continue
			}
			direction := "server to client"
			if up {
				direction = "client to server"
			}
			slices.Sort(o.pauses)
			well := o.pauses[:len(o.pauses)-o.frozen]
			median, longest := "-", "-"
			if len(well) > 0 {
				median, longest = seconds(well[len(well)/2]), seconds(well[len(well)-1])
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", c.name, direction, len(o.pauses), o.frozen, median, longest)
			if saved := !up || c.far[0] == roomyOne[0]; saved && o.frozen > 0 {
				err = errors.Join(err, fmt.Errorf("%d of %d sessions froze, stale_loss_cnt %s, %s", o.frozen, len(o.pauses), c.name, direction))
			}
		}
	}
	w.Flush()
	fmt.Printf("\nRTT 20 and 50 ms, a line every %v, the first link cut; frozen: no line for %v.\n", lineEvery, frozenAfter)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// sideBySide calls f for 0 to n-1, jobs at a time, and stops at the first error.
func sideBySide(n, jobs int, f func(i int) error) error {
	var mu sync.Mutex
	var failed error
	next := 0
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == n || failed != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var group sync.WaitGroup
	for range jobs {
		group.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := f(i); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return failed
}

// errBusy is a session that does not count: the machine had too much else to do.
var errBusy = errors.New("fewer lines than there should be before the cut: the machine is too busy")

func cutInDir(dir, fdrace string, s pathSettings, up bool) (time.Duration, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	return cutWhileItFlows(dir, fdrace, s, up)
}

// cutWhileItFlows returns the longest pause of a session whose first path is cut.
func cutWhileItFlows(dir, fdrace string, s pathSettings, up bool) (pause time.Duration, err error) {
	n, err := newTwoPaths(dir, fdrace, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	in, out, err := n.start(up)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	defer out.Close()
	f := &flow{every: lineEvery, last: time.Now()}
	go f.write(in)
	go f.read(out)
	warm := 2*time.Second + time.Duration(rand.Int64N(int64(time.Second)))
	time.Sleep(warm)
	if got := f.begin(); got < int(warm/lineEvery)/2 {
		return 0, errBusy
	}
	n.wifi.SetDown(true)
	time.Sleep(staleWatch)
	return f.longest()
}

// A flow is a stream of numbered lines.
type flow struct {
	every time.Duration // between two lines

	mu    sync.Mutex
	came  int
	last  time.Time // a line came
	pause time.Duration
	err   error
}

// write writes a line at every tick until nobody can read it any more. It waits
// while the session takes nothing, as any program does.
func (f *flow) write(in io.Writer) {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(in, "%08d %s\n", i, "2001:db8::7 GET /index.html 200 1270"); err != nil {
			return
		}
		<-tick.C
	}
}

// read expects every line, once and in order.
func (f *flow) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var number int
		_, err := fmt.Sscanf(lines.Text(), "%d", &number)
		f.mu.Lock()
		now := time.Now()
		f.pause = max(f.pause, now.Sub(f.last))
		f.last = now
		if err == nil && number != f.came {
			err = fmt.Errorf("line %d came in place of line %d", number, f.came)
		}
		f.err = errors.Join(f.err, err)
		f.came++
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// begin forgets the pauses so far, and returns how many lines came.
func (f *flow) begin() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pause = 0
	return f.came
}

// longest is the longest pause since begin, with the one that still lasts.
func (f *flow) longest() (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.pause, time.Since(f.last)), f.err
}
