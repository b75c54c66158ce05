//go:build linux

// Command bench measures fdrace beside its peers.
//
//	go run ./internal/tools/bench [-n PAIRS] [-limit TIME] [-logins N] [-bulk MIB] [-bad=false] [OTHER-FDRACE...]
//
// Every helper is run as ssh runs one, each time next to a run of the control,
// nc -F to the same address or name, first or second in turn: both meet the same
// machine, and the ratio of the two is free of its drift. With a name there is a
// third beside them, Go that only connects and passes. Other builds of fdrace may be named, to see
// what a change is worth. Further tables have whole logins by ssh and what a
// large file costs it, and what each helper makes of a bad network, a wire in
// namespaces: for those it needs root or a user namespace.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"fdrace/internal/lab"
)

// warmUp is how many rounds are run before those that count: pages of the
// binaries are read, the clock of the processor is up.
const warmUp = 5

// plan is what is measured.
type plan struct {
	pairs  int
	limit  time.Duration
	logins int
	bulk   int64 // MiB
	bad    bool
	others []string // other builds of fdrace
}

func main() {
	var p plan
	flag.IntVar(&p.pairs, "n", 300, "pairs of runs for each row")
	flag.DurationVar(&p.limit, "limit", 90*time.Second, "stop the pairs after this time, with those there are")
	flag.IntVar(&p.logins, "logins", 40, "logins of each kind; 0 for none, and no bulk")
	flag.Int64Var(&p.bulk, "bulk", 1024, "MiB that each session brings; 0 for none")
	flag.BoolVar(&p.bad, "bad", true, "show also what each makes of a bad network, for which it takes a minute more")
	flag.Parse()
	p.others = flag.Args()
	if err := p.run(lab.Reexec()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run prints every table that this machine can have. noLab is why there can be
// no hosts but this one.
func (p *plan) run(noLab error) (err error) {
	if p.pairs < 1 {
		return fmt.Errorf("-n %d: a median needs one pair at least", p.pairs)
	}
	dir, err := os.MkdirTemp("", "fdrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	on := &stage{}
	if noLab == nil {
		if on, err = newStage(); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, on.close()) }()
	var missing []string
	if err := on.do(func() (err error) { missing, err = p.helpers(on, dir); return err }); err != nil {
		return err
	}
	if noLab != nil {
		missing = append(missing, "names by DNS and among many, logins, a bad network: "+noLab.Error())
	} else {
		more, err := p.lab(on, dir)
		if err != nil {
			return err
		}
		missing = append(missing, more...)
	}
	for _, m := range missing {
		fmt.Println("left out:", m)
	}
	return nil
}

// helpers shows what each helper takes where nothing is in its way.
func (p *plan) helpers(on *stage, dir string) (missing []string, err error) {
	s, err := serve()
	if err != nil {
		return nil, err
	}
	rows, missing, err := helpers(dir, s, on, p.others)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		r := &rows[i]
		if err := withHosts(r.hosts, func() (err error) { r.peak, err = r.measurePeak(); return err }); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	until := time.Now().Add(p.limit)
	for round := range warmUp + p.pairs {
		for i := range rows {
			if err := withHosts(rows[i].hosts, rows[i].round); err != nil {
				return nil, err
			}
		}
		if round >= warmUp && time.Now().After(until) {
			break
		}
	}
	show(rows)
	return missing, nil
}

// lab shows what needs hosts of its own.
func (p *plan) lab(on *stage, dir string) (missing []string, err error) {
	fdrace, nc := filepath.Join(dir, "fdrace"), "nc"
	if path, err := exec.LookPath(nc); err == nil {
		nc = path
	}
	if p.logins > 0 {
		in, err := startSessions(on, dir)
		if err == nil {
			err = on.do(func() error { return in.show(in.ways(fdrace, nc), p.logins, p.bulk) })
		}
		if err != nil {
			missing = append(missing, "logins: "+err.Error())
		}
	}
	if !p.bad {
		return missing, nil
	}
	python, script, err := findPython(dir)
	if err != nil {
		python, script = "", ""
	}
	list, gone := contenders(fdrace, nc, python, script)
	missing = append(missing, gone...)
	return missing, showBadNetwork(list)
}

// round runs r and what is beside it, in another order the next time. A run that
// does not count goes before, so that every round finds the processor's caches
// as the control leaves them, whatever the row above.
func (r *row) round() error {
	if _, err := r.control.measure(); err != nil {
		return fmt.Errorf("%s: %w", r.control.name, err)
	}
	var s [3]sample
	helpers := []*helper{&r.helper, r.control}
	if r.bare != nil {
		helpers = append(helpers, r.bare)
	}
	for i := range helpers {
		which := (i + len(r.rounds)) % len(helpers)
		var err error
		if s[which], err = helpers[which].measure(); err != nil {
			return fmt.Errorf("%s: %w", helpers[which].name, err)
		}
	}
	r.rounds = append(r.rounds, s)
	return nil
}

// show prints medians, and in brackets the quartiles. The control's own row is
// made of pairs too: how far its ratio is from 1 is what the ratios are good
// for. The last ratio is what a name costs: the time beyond that of Go which only
// connects, over the time of nc -F with the same name.
func show(rows []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\texec to fd, ms\tof nc -F\texec to exit, ms\tof nc -F\tbeyond bare Go\tCPU, ms\tpage faults\tpeak RSS, MB")
	var noise []float64
	for _, r := range rows {
		var fd, fdRatio, exit, exitRatio, beyond, cpu, page []float64
		for _, p := range r.rounds[warmUp:] {
			fd = append(fd, ms(p[0].fd))
			exit = append(exit, ms(p[0].exit))
			cpu = append(cpu, ms(p[0].cpu))
			page = append(page, float64(p[0].page))
			fdRatio = append(fdRatio, float64(p[0].fd)/float64(p[1].fd))
			exitRatio = append(exitRatio, float64(p[0].exit)/float64(p[1].exit))
			if r.bare != nil {
				beyond = append(beyond, float64(p[0].exit-p[2].exit)/float64(p[1].exit))
			}
			if r.control == rows[0].control {
				noise = append(noise, ms(p[1].exit))
			}
		}
		more := ""
		if r.bare != nil {
			more = quartiles(beyond)
		}
		_, faults, _ := quarter(page)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%.1f\n", r.name, quartiles(fd), quartiles(fdRatio), quartiles(exit), quartiles(exitRatio), more, quartiles(cpu), faults, r.peak)
	}
	w.Flush()
	q1, q2, q3 := quarter(noise)
	fmt.Printf("\n%d pairs a row. Noise: half of all %d runs of nc -F with an address took %.2f to %.2f ms, a spread of %.0f %% of the median.\n",
		len(rows[0].rounds)-warmUp, len(noise), q1, q3, 100*(q3-q1)/q2)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func quartiles(x []float64) string {
	q1, q2, q3 := quarter(x)
	return fmt.Sprintf("%.2f (%.2f-%.2f)", q2, q1, q3)
}

// quarter sorts x and returns its quartiles.
func quarter(x []float64) (q1, q2, q3 float64) {
	slices.Sort(x)
	n := len(x) - 1
	return x[n/4], x[n/2], x[n*3/4]
}
