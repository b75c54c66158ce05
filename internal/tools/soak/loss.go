//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"fdrace/internal/lab"
)

const (
	// lossRaces is how often each helper runs in each case.
	lossRaces = 200
	// lossJobs is how many races run at a time, each in a network of its own:
	// they mostly wait.
	lossJobs = 25
)

// A lossNetwork is the loss rate in each direction, and the RTT.
type lossNetwork struct {
	percent int
	rtt     time.Duration
}

func (n lossNetwork) String() string { return fmt.Sprintf("%d %%, RTT %v", n.percent, n.rtt) }

var lossNetworks = []lossNetwork{
	{5, 20 * time.Millisecond}, {10, 20 * time.Millisecond}, {20, 20 * time.Millisecond},
	{5, 100 * time.Millisecond}, {10, 100 * time.Millisecond}, {20, 100 * time.Millisecond},
}

// A lossCase is a destination, and the helpers that connect to it.
type lossCase struct {
	title   string
	helpers []string
	argv    func(helper string, round int) []string
}

// lossCases returns the cases in their order. The last may make the kernel pause MPTCP.
func lossCases(fdrace, nc string) []lossCase {
	to := func(target string) func(string, int) []string {
		return func(helper string, _ int) []string {
			if helper == "fdrace" {
				return []string{fdrace, target, "22"}
			}
			return []string{nc, "-F", target, "22"}
		}
	}
	both := []string{"fdrace", "nc -F"}
	return []lossCase{
		{"address", both, to(lossServer4)},
		{"name with A", both, to(nameA)},
		{"name with A and AAAA", both, to(nameBoth)},
		{"--mptcp", both[:1], func(string, int) []string {
			return []string{fdrace, "-v", "--mptcp", lossServer4, "22"}
		}},
		{"--mptcp, and a box drops it", both[:1], func(_ string, round int) []string {
			boxed := []string{"192.0.2.9", "192.0.2.10", "192.0.2.11"}
			return []string{fdrace, "-v", "--mptcp", boxed[round%len(boxed)], "22"}
		}},
	}
}

// A lossRow is one helper in one case.
type lossRow struct {
	title, helper string
	races         []lossRace
	repeats       int // of races that were disturbed
}

// runLoss prints how long a race takes on lossy networks. It fails if a target
// of the network with 10 % and 20 ms is missed.
func runLoss(fdrace string, races, jobs int, wanted *regexp.Regexp, slowest int) error {
	nc, err := exec.LookPath("nc")
	if err != nil {
		return fmt.Errorf("%w: run `apt-get install netcat-openbsd`", err)
	}
	if races == 0 {
		races = lossRaces
	}
	if jobs == 0 {
		jobs = lossJobs
	}
	var failed error
	for _, network := range lossNetworks {
		if !wanted.MatchString(network.String()) {
			continue
		}
		rows, paused, err := raceOn(network, lossCases(fdrace, nc), races, min(jobs, races))
		if err != nil {
			return fmt.Errorf("%v: %w", network, err)
		}
		showLoss(network, rows, paused)
		showSlowest(rows, slowest)
		if network.percent == 10 && network.rtt == 20*time.Millisecond {
			failed = errors.Join(failed, checkLoss(rows))
		}
		if paused > 0 {
			failed = errors.Join(failed, fmt.Errorf("%v: the kernel has paused MPTCP in %d networks", network, paused))
		}
	}
	return failed
}

// raceOn runs every case, with one network for each job. All networks are made before
// the first race. Each race has a seed of its own.
func raceOn(network lossNetwork, cases []lossCase, races, jobs int) (rows []*lossRow, paused int, err error) {
	for _, c := range cases {
		for _, helper := range c.helpers {
			rows = append(rows, &lossRow{title: c.title, helper: helper})
		}
	}
	labs := make([]*lab.Network, jobs)
	defer func() {
		for _, n := range labs {
			if n != nil {
				err = errors.Join(err, n.Close())
			}
		}
	}()
	for i := range labs {
		if labs[i], err = newLossLab(uint64(i+1), network.percent, network.rtt); err != nil {
			return nil, 0, err
		}
	}
	probe, err := lab.ProbeStalls(labs[0].Near)
	if err != nil {
		return nil, 0, err
	}
	var mu sync.Mutex
	err = sideBySide(jobs, jobs, func(job int) error {
		n, at := labs[job], 0
		for _, c := range cases {
			for round := job; round < races; round += jobs {
				for i, helper := range c.helpers {
					seed := uint64(round*len(rows) + at + i)
					r, repeats, err := raceUndisturbed(n, c.argv(helper, round), seed, probe)
					if err != nil {
						return fmt.Errorf("%s, %s: %w", c.title, helper, err)
					}
					mu.Lock()
					rows[at+i].races = append(rows[at+i].races, r)
					rows[at+i].repeats += repeats
					mu.Unlock()
				}
			}
			at += len(c.helpers)
		}
		yes, err := isPaused(n)
		mu.Lock()
		defer mu.Unlock()
		if yes {
			paused++
		}
		return err
	})
	return rows, paused, errors.Join(err, probe.Close())
}

func (r *lossRow) sort() {
	slices.SortFunc(r.races, func(a, b lossRace) int { return cmp.Compare(a.took, b.took) })
}

// percentile is by the nearest rank. The races are sorted by time.
func (r *lossRow) percentile(p int) time.Duration {
	return r.races[(len(r.races)*p+99)/100-1].took
}

func (r *lossRow) mean() time.Duration {
	var sum time.Duration
	for _, race := range r.races {
		sum += race.took
	}
	return sum / time.Duration(len(r.races))
}

// count returns of how many races f is true.
func (r *lossRow) count(f func(lossRace) bool) (n int) {
	for _, race := range r.races {
		if f(race) {
			n++
		}
	}
	return n
}

// share returns the part of all races of which f is true.
func (r *lossRow) share(f func(lossRace) bool) float64 {
	return float64(r.count(f)) / float64(len(r.races))
}

var errInconclusive = errors.New("inconclusive, as the machine was too busy")

// atMost returns an error if f is true of more than a share of the races. It is
// errInconclusive if it is not so without the races that were disturbed.
func (r *lossRow) atMost(share float64, f func(lossRace) bool) error {
	if r.share(f) <= share {
		return nil
	}
	err := fmt.Errorf("%s: %.1f %% of %d races, more than %.0f %%", r.title, 100*r.share(f), len(r.races), 100*share)
	disturbed := r.count(func(race lossRace) bool { return f(race) && race.disturbed() })
	if float64(r.count(f)-disturbed) <= share*float64(len(r.races)) {
		return fmt.Errorf("%w: %w: %d of them were disturbed", errInconclusive, err, disturbed)
	}
	return err
}

// slower is for atMost: f is true of a race that took longer than limit.
func slower(limit time.Duration) func(lossRace) bool {
	return func(r lossRace) bool { return r.took > limit }
}

func showLoss(network lossNetwork, rows []*lossRow, paused int) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%v: ms to the descriptor\tmean\tp50\tp90\tp99\tfailed\tMPTCP\t\n", network)
	for _, r := range rows {
		r.sort()
		failed := int(r.share(func(race lossRace) bool { return race.failed })*float64(len(r.races)) + .5)
		kept := ""
		if strings.HasPrefix(r.title, "--mptcp") {
			kept = fmt.Sprintf("%.1f %%", 100*r.share(staysMultipath))
		}
		fmt.Fprintf(w, "%s: %s\t%d\t%d\t%d\t%d\t%d\t%s\t\n", r.title, r.helper, r.mean().Milliseconds(),
			r.percentile(50).Milliseconds(), r.percentile(90).Milliseconds(), r.percentile(99).Milliseconds(), failed, kept)
	}
	w.Flush()
	var repeats, disturbed int
	for _, r := range rows {
		repeats += r.repeats
		disturbed += r.count(lossRace.disturbed)
	}
	fmt.Printf("%d races a row, a failed one counts as %v; %d repeated, and %d disturbed each time", len(rows[0].races), lossPatience, repeats, disturbed)
	if paused > 0 {
		fmt.Printf("; the kernel has paused MPTCP in %d networks", paused)
	}
	fmt.Println()
}

// showSlowest prints what the wire saw of fdrace's slowest races of each case, and
// of those that did not stay MPTCP: which packets were lost, and what was waited
// for.
func showSlowest(rows []*lossRow, n int) {
	if n == 0 {
		return
	}
	for _, r := range rows {
		if r.helper != "fdrace" {
			continue
		}
		for i, race := range r.races {
			if i < len(r.races)-n && (r.title != "--mptcp" || race.mptcp) {
				continue
			}
			fmt.Printf("\n%s: %v, MPTCP %v\n%s", r.title, race.took.Round(time.Millisecond), race.mptcp, race.told)
			for _, p := range race.packets {
				fmt.Println("   ", p)
			}
		}
	}
}

// lossTargets are those at 10 % and 20 ms. ofNC is how much of nc's mean ours
// may be.
var lossTargets = []struct {
	title    string
	p90, p99 time.Duration
	ofNC     float64
}{
	{"address", 330 * time.Millisecond, 1050 * time.Millisecond, 0},
	{"name with A", 650 * time.Millisecond, 1300 * time.Millisecond, 0.25},
	{"name with A and AAAA", 650 * time.Millisecond, 1300 * time.Millisecond, 0.25},
}

// keptMPTCP is the share of logins that have to stay MPTCP.
const keptMPTCP = 0.95

func checkLoss(rows []*lossRow) (missed error) {
	miss := func(format string, a ...any) { missed = errors.Join(missed, fmt.Errorf(format, a...)) }
	for _, t := range lossTargets {
		r, control := findRow(rows, t.title, "fdrace"), findRow(rows, t.title, "nc -F")
		if err := r.atMost(0.10, slower(t.p90)); err != nil {
			miss("p90 is %v, must be at most %v: %w", r.percentile(90).Round(time.Millisecond), t.p90, err)
		}
		if err := r.atMost(0.01, slower(t.p99)); err != nil {
			miss("p99 is %v, must be at most %v: %w", r.percentile(99).Round(time.Millisecond), t.p99, err)
		}
		if of := float64(r.mean()) / float64(control.mean()); t.ofNC > 0 && of > t.ofNC {
			miss("%s: the mean is %.2f of that of nc -F, must be at most %.2f", t.title, of, t.ofNC)
		}
	}
	return errors.Join(missed, missedMPTCP(rows, keptMPTCP))
}

func findRow(rows []*lossRow, title, helper string) *lossRow {
	return rows[slices.IndexFunc(rows, func(r *lossRow) bool { return r.title == title && r.helper == helper })]
}

func staysMultipath(r lossRace) bool { return r.mptcp }

// missedMPTCP returns which targets of --mptcp are missed, of which least is the share
// that stays MPTCP.
func missedMPTCP(rows []*lossRow, least float64) (missed error) {
	isPlain := func(r lossRace) bool { return !r.mptcp }
	if err := findRow(rows, "--mptcp", "fdrace").atMost(1-least, isPlain); err != nil {
		missed = fmt.Errorf("does not stay MPTCP: %w", err)
	}
	boxed := findRow(rows, "--mptcp, and a box drops it", "fdrace")
	if told := boxed.share(func(r lossRace) bool { return r.mptcp || r.claimed }); told > 0 {
		missed = errors.Join(missed, fmt.Errorf("%s: reported as MPTCP in %.1f %%", boxed.title, 100*told))
	}
	return missed
}
