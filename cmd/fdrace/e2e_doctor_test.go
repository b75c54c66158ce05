//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"fdrace/internal/doctor"

	"github.com/rogpeppe/go-internal/testscript"
)

// doctorVerbs are those of the stories of --doctor.
//
//	mends warn|fail CHECK ARG...  runs fdrace --doctor ARG..., of which CHECK is
//	                              not ok; prints what it has found and its
//	                              remedy, and does as that says; then CHECK is
//	                              ok, or there is nothing to be looked at
//	finds warn|fail CHECK ARG...  runs it once, and prints the same
//
// Where fdrace sees no root, "sudo" is a word that does nothing: the hosts of
// the lab are their user's own. A remedy for ssh_config goes before all else in the file of -F; ROUTER in a
// command is the script's variable. One for the server is the story's to apply.
func doctorVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	verb := func(mend bool) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 2 {
				ts.Fatalf("usage: mends|finds warn|fail CHECK ARG...")
			}
			f, err := examine(ts, args[1], args[2:])
			ts.Check(err)
			if f.Status != doctor.Status(args[0]) || f.Remedy == "" {
				ts.Fatalf("%+v", f)
			}
			fmt.Fprintf(ts.Stdout(), "%s\n%s\n", f.Found, f.Remedy)
			if !mend {
				return
			}
			ts.Check(apply(ts, f, args[2:]))
			if f, err = examine(ts, args[1], args[2:]); err != nil || f.Status != doctor.OK && f.Status != "" {
				ts.Fatalf("after its remedy: %+v, %v", f, err)
			}
		}
	}
	return map[string]func(*testscript.TestScript, bool, []string){"mends": verb(true), "finds": verb(false)}
}

// examine runs --doctor and returns the worst that it finds of check. Its exit
// status must be what all findings make it.
func examine(ts *testscript.TestScript, check string, args []string) (worst doctor.Finding, err error) {
	err = ts.Exec("fdrace", append([]string{"--doctor", "--json"}, args...)...)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) || ts.ReadFile("stderr") != "" {
		return worst, fmt.Errorf("%v: %s", err, ts.ReadFile("stderr"))
	}
	out := ts.ReadFile("stdout")
	if err := fits("doctor", out); err != nil {
		return worst, err
	}
	failed := false
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var f doctor.Finding
		if err := dec.Decode(&f); err != nil {
			return worst, err
		}
		failed = failed || f.Status == doctor.Fail
		if rank := []doctor.Status{"", doctor.OK, doctor.Warn, doctor.Fail}; f.Check == check && slices.Index(rank, f.Status) > slices.Index(rank, worst.Status) {
			worst = f
		}
	}
	if failed != (err != nil) {
		return worst, fmt.Errorf("%v after\n%s", err, out)
	}
	return worst, nil
}

// apply does what a remedy says.
func apply(ts *testscript.TestScript, f doctor.Finding, args []string) error {
	switch f.Where {
	case doctor.InConfig:
		at := slices.Index(args, "-F")
		if at < 0 {
			return errors.New("a remedy for ssh_config, and no -F")
		}
		name := args[at+1]
		return os.WriteFile(ts.MkAbs(name), []byte(f.Remedy+"\n\n"+ts.ReadFile(name)), 0o644)
	case doctor.InShell:
		if set, is := strings.CutPrefix(f.Remedy, "export "); is {
			name, value, _ := strings.Cut(set, "=")
			ts.Setenv(name, value)
			return nil
		}
		if os.Geteuid() != 0 {
			if err := os.WriteFile(ts.MkAbs(ts.Getenv("WORK")+"/bin/sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755); err != nil {
				return err
			}
		}
		return ts.Exec("/bin/sh", "-e", "-c", strings.ReplaceAll(f.Remedy, "ROUTER", ts.Getenv("ROUTER")))
	}
	return fmt.Errorf("a remedy that no script can apply: %+v", f)
}
