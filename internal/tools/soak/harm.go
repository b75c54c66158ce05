//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"fdrace/internal/lab"
)

const (
	harmRuns = 6
	harmJobs = 4
	// harmTime is how long a session is measured, after harmWarm for it to find
	// its speed.
	harmTime = 6 * time.Second
	harmWarm = 2 * time.Second
	// slowLine is between the lines of output that pauses between them.
	slowLine = 20 * time.Millisecond
)

// harmLinks are the loss rates of the first and the second link, in percent.
var harmLinks = [][2]int{{0, 0}, {1, 0}, {5, 0}, {1, 1}, {5, 5}}

func harmLabel(loss [2]int) string { return fmt.Sprintf("%d %%, %d %%", loss[0], loss[1]) }

// A harmSample is one session in which no path fails.
type harmSample struct {
	bulk   bool          // as much as possible, or else a line every 20 ms
	backup bool          // the second link is not to be used
	bytes  int           // per second, to the client
	pause  time.Duration // the longest
	stale  int           // how often the server gave a path up
	second float64       // the share of the bytes that came by the second link
}

// runHarm prints the effect of net.mptcp.stale_loss_cnt=1 while no path fails: on
// throughput, on pauses, and how often a path that works is given up.
func runHarm(dir, fdrace string, runs, jobs int, wanted *regexp.Regexp) error {
	if runs == 0 {
		runs = harmRuns
	}
	if jobs == 0 {
		jobs = harmJobs
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nlost on the first, second link\tstale_loss_cnt\tMB/s\tgiven up per minute\tlongest pause of lines\tgiven up\tMB/s, second is backup\tby the backup\t")
	for _, loss := range harmLinks {
		if !wanted.MatchString(harmLabel(loss)) {
			continue
		}
		for _, setting := range [][]string{staleFour, staleOne} {
			samples, err := harmSamples(dir, fdrace, loss, setting, runs, jobs)
			if err != nil {
				return err
			}
			showHarm(w, loss, setting, samples)
		}
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func harmSamples(dir, fdrace string, loss [2]int, setting []string, runs, jobs int) (samples []harmSample, err error) {
	kinds := []harmSample{{bulk: true}, {}, {bulk: true, backup: true}}
	if loss == [2]int{} {
		jobs = 1 // the machine is what limits it
	}
	var mu sync.Mutex
	err = sideBySide(runs*len(kinds), jobs, func(i int) error {
		work, err := os.MkdirTemp(dir, "harm")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		s := kinds[i%len(kinds)]
		if err := s.measure(work, fdrace, loss, setting, uint64(i+1)); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		samples = append(samples, s)
		return nil
	})
	return samples, err
}

// measure measures one session.
func (s *harmSample) measure(dir, fdrace string, loss [2]int, setting []string, seed uint64) (err error) {
	n, err := newTwoPaths(dir, fdrace, pathSettings{seed: seed, near: setting, far: setting, backup: s.backup})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	in, out, err := n.start(false)
	if err != nil {
		return err
	}
	defer in.Close()
	defer out.Close()
	for i, link := range []*lab.Link{n.wifi, n.lte} {
		if loss[i] > 0 {
			if err := addRule(link, fmt.Sprintf("loss %d%%", loss[i])); err != nil {
				return err
			}
		}
	}
	f := &flow{every: slowLine, last: time.Now()}
	if s.bulk {
		go pour(in)
		go io.Copy(io.Discard, out)
	} else {
		go f.write(in)
		go f.read(out)
	}
	time.Sleep(harmWarm)
	f.begin()
	stale, err := counter(n.Far, "SubflowStale")
	if err != nil {
		return err
	}
	first, second := n.wifi.Traffic(lab.In).Bytes, n.lte.Traffic(lab.In).Bytes
	start := time.Now()
	time.Sleep(harmTime)
	took := time.Since(start)
	first, second = n.wifi.Traffic(lab.In).Bytes-first, n.lte.Traffic(lab.In).Bytes-second
	s.bytes = int(float64(first+second) / took.Seconds())
	s.second = float64(second) / float64(first+second)
	after, err := counter(n.Far, "SubflowStale")
	if err != nil {
		return err
	}
	s.stale = after - stale
	if s.bulk {
		return nil
	}
	s.pause, err = f.longest()
	return err
}

// pour writes as fast as it can.
func pour(in io.Writer) {
	chunk := make([]byte, 1<<16)
	for {
		if _, err := in.Write(chunk); err != nil {
			return
		}
	}
}

func showHarm(w io.Writer, loss [2]int, setting []string, samples []harmSample) {
	var bulk, backup, share, pause []float64
	var staleBulk, staleLines, bulks, lines int
	for _, s := range samples {
		switch {
		case s.bulk && s.backup:
			backup, share = append(backup, float64(s.bytes)/1e6), append(share, 100*s.second)
		case s.bulk:
			bulk, staleBulk, bulks = append(bulk, float64(s.bytes)/1e6), staleBulk+s.stale, bulks+1
		default:
			pause, staleLines, lines = append(pause, s.pause.Seconds()), staleLines+s.stale, lines+1
		}
	}
	middle := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	minutes := func(n int) float64 { return float64(n) * harmTime.Minutes() }
	fmt.Fprintf(w, "%s\t%s\t%.2f\t%.1f\t%.2f s\t%.1f\t%.2f\t%.0f %%\t\n", harmLabel(loss), setting[0][len(setting[0])-1:],
		middle(bulk), float64(staleBulk)/minutes(bulks), middle(pause), float64(staleLines)/minutes(lines), middle(backup), middle(share))
}
