//go:build linux

// Command soak runs the measurements that take minutes: what a lossy network does
// to a race, and what a lost path does to a session.
//
//	go run ./cmd/internal/soak [-only loss,logins,stale,harm] [-runs N] [-jobs N] [-fdrace FILE]
//
// It exits with 1 if a target is missed. It needs what the lab needs: root, or a
// user namespace.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"fdrace/cmd/internal/early"
	"fdrace/cmd/internal/lab"
)

func main() {
	only := flag.String("only", "loss,logins,stale,harm", "the parts to run")
	runs := flag.Int("runs", 0, "runs of each kind; 0: as many as the part's targets ask for")
	jobs := flag.Int("jobs", 0, "runs at a time; 0: as many as do not disturb each other")
	other := flag.String("fdrace", "", "measure this program, not the one that is built here")
	flag.Parse()
	if err := soak(strings.Split(*only, ","), *other, *runs, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(parts []string, other string, runs, jobs int) error {
	if err := lab.Reexec(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fdrace-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fdrace := other
	if fdrace == "" {
		fdrace = filepath.Join(dir, "fdrace")
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w "+early.Link, "-o", fdrace, "fdrace/cmd/fdrace")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	var failed error
	for _, part := range parts {
		switch part {
		case "loss":
			err = runLoss(dir, fdrace, runs, jobs)
		case "logins":
			err = runLossLogins(dir, fdrace, runs, jobs)
		case "stale":
			err = runStale(dir, fdrace, runs, jobs)
		case "harm":
			err = runHarm(dir, fdrace, runs, jobs)
		default:
			err = fmt.Errorf("there is no part %q", part)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
