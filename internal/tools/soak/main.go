//go:build linux

// Command soak runs the measurements that take minutes.
//
//	go run ./internal/tools/soak [-only PART,...] [-runs N] [-jobs N] [-cells REGEXP] [-slowest N] [-fdrace FILE]
//
// The parts are sshd, which counts what sshd sees of races, and load, which does
// so on a busy machine; loss, which times races on networks that lose packets, and
// logins, which counts what sshd sees of them there; stale, which cuts a path of
// sessions whose output never pauses, and harm, which measures what the remedy for
// that costs. The environment variable FDRACE_OPENSSH names another OpenSSH than
// the system's.
//
// It exits with 1 if a target is missed. It needs what the lab needs: root, or a
// user namespace.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"fdrace/internal/lab"
)

func main() {
	only := flag.String("only", "sshd,load,loss,logins,stale,harm", "the parts to run")
	runs := flag.Int("runs", 0, "runs of each kind; 0: as many as the part's targets ask for")
	jobs := flag.Int("jobs", 0, "runs at a time, of loss and what follows; 0: as many as do not disturb each other")
	cells := flag.String("cells", "", "the cells to run, of those that have any: a regexp of the row, as in 'both +2ms .*banner'")
	slowest := flag.Int("slowest", 0, "print the packets of as many of the slowest races of each kind, of loss")
	fdrace := flag.String("fdrace", "", "measure this program, not the one that is built here")
	flag.Parse()
	if err := soak(strings.Split(*only, ","), *fdrace, *runs, *jobs, *slowest, *cells); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(parts []string, fdrace string, runs, jobs, slowest int, cells string) error {
	wanted, err := regexp.Compile(cells)
	if err != nil {
		return fmt.Errorf("-cells: %w", err)
	}
	if err := lab.Reexec(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fdrace-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if fdrace == "" {
		if fdrace, err = lab.Build(dir); err != nil {
			return err
		}
	}
	var failed error
	for _, part := range parts {
		if lab.OpenSSH() != "" && slices.Contains([]string{"loss", "stale", "harm"}, part) {
			fmt.Printf("%s: is the same with every OpenSSH, and is measured with the system's\n", part)
			continue
		}
		switch part {
		case "sshd":
			err = runSSHD(dir, fdrace, matrix(runs), wanted)
		case "load":
			err = runSSHD(dir, fdrace, underLoad(runs), wanted)
		case "loss":
			err = runLoss(fdrace, runs, jobs, wanted, slowest)
		case "logins":
			err = runLossLogins(dir, fdrace, runs, jobs)
		case "stale":
			err = runStale(dir, fdrace, runs, jobs)
		case "harm":
			err = runHarm(dir, fdrace, runs, jobs, wanted)
		default:
			err = fmt.Errorf("there is no part %q", part)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
