package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"fdrace/internal/helper"

	"golang.org/x/sys/unix"
)

// A finding is what one check has come to: a line of --doctor, and an object of
// its --json.
type finding struct {
	Check  string `json:"check"` // what was looked at
	Status status `json:"status"`
	Found  string `json:"found"`  // in words
	Remedy string `json:"remedy"` // lines to be used as they are; empty where nothing is to be done
	Where  place  `json:"where"`  // where they belong; empty without a remedy
}

type status string

const (
	ok   status = "ok"
	warn status = "warn" // it works, but not as well as it could, or not always
	fail status = "fail" // it does not work
)

// A place is where a remedy belongs.
type place string

const (
	inShell  place = "shell"      // commands to run on this machine
	inConfig place = "ssh_config" // a block that goes before all others
	onServer place = "server"     // commands to run there
	byHand   place = "hand"       // words: there is no one command
)

// checkDoctorLine says what of a command line with --doctor cannot be followed.
func checkDoctorLine(o helper.Options) error {
	words := o.Words
	o.Words, o.Doctor, o.JSON, o.SSHConfig = nil, false, false, nil
	switch {
	case !reflect.DeepEqual(o, helper.Options{}):
		return errors.New("--doctor takes the flags of a race from the ProxyCommand of its ALIAS: beside it go -F and --json only")
	case len(words) > 1:
		return fmt.Errorf("%q: --doctor looks at one ALIAS at a time, as in ssh ALIAS", words[1])
	}
	return nil
}

// doctor looks at this machine, and at the ssh_config of the alias if the words
// are one, and writes what it finds to stdout. It ends with 1 if something
// fails.
func doctor(o *helper.Options) error {
	file := ""
	if o.SSHConfig != nil {
		file = *o.SSHConfig
	}
	r := newReport(os.Stdout, file, o.JSON)
	ssh := checkOpenSSH()
	r.add(ssh)
	r.add(checkShell())
	r.add(checkPrestart())
	r.add(checkRoutes()...)
	r.add(checkMDNS())
	r.add(checkMPTCP()...)
	if len(o.Words) == 1 && ssh.Status != fail {
		checkAlias(r, o.Words[0], file)
	}
	if r.failed && r.err == nil {
		return helper.Exit(1)
	}
	return r.err
}

// A report writes findings as they come.
type report struct {
	w       io.Writer
	json    bool
	colour  bool
	columns int    // of the terminal; 0 where there is none
	config  string // what a person calls the ssh_config that was looked at
	failed  bool
	err     error // of w
}

func newReport(w *os.File, config string, json bool) *report {
	r := &report{w: w, json: json, config: config}
	if config == "" {
		r.config = "~/.ssh/config"
	}
	if size, err := unix.IoctlGetWinsize(int(w.Fd()), unix.TIOCGWINSZ); err == nil {
		r.columns = int(size.Col)
		r.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return r
}

func (r *report) add(findings ...finding) {
	for _, f := range findings {
		r.failed = r.failed || f.Status == fail
		var err error
		if r.json {
			e := json.NewEncoder(r.w)
			e.SetEscapeHTML(false) // "2>>log" is to be read by people, too
			err = e.Encode(f)
		} else {
			_, err = io.WriteString(r.w, r.text(f))
		}
		if r.err == nil {
			r.err = err
		}
	}
}

// Where the columns begin: of the check, and of what was found.
const (
	checkAt = 6
	foundAt = 24
)

// text is f for people: a line, and below it what to do, as it is to be typed.
func (r *report) text(f finding) string {
	head := fmt.Sprintf("%-*s%-*s", checkAt, f.Status, foundAt-checkAt, f.Check)
	if r.colour {
		head = f.Status.paint(head[:checkAt]) + head[checkAt:]
	}
	var b strings.Builder
	for i, line := range wrap(f.Found, r.columns-foundAt) {
		if i > 0 {
			head = strings.Repeat(" ", foundAt)
		}
		fmt.Fprintf(&b, "%s%s\n", head, line)
	}
	if f.Remedy == "" {
		return b.String()
	}
	indent := strings.Repeat(" ", checkAt)
	if f.Where == byHand {
		for _, line := range wrap(f.Remedy, r.columns-checkAt) {
			fmt.Fprintf(&b, "%s%s\n", indent, line)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s%s:\n", indent, map[place]string{
		inShell:  "run",
		inConfig: "put before all else in " + r.config,
		onServer: "run on the server",
	}[f.Where])
	for line := range strings.SplitSeq(f.Remedy, "\n") {
		fmt.Fprintf(&b, "%s    %s\n", indent, line)
	}
	return b.String()
}

func (s status) paint(word string) string {
	colour := map[status]string{ok: "32", warn: "33", fail: "1;31"}[s]
	return "\x1b[" + colour + "m" + word + "\x1b[m"
}

// wrap breaks text between words into lines of at most that many bytes; not at
// all where there are too few of them to be a terminal's.
func wrap(text string, columns int) (lines []string) {
	const fewest = 20
	line := ""
	for _, word := range strings.Fields(text) {
		if columns >= fewest && line != "" && len(line)+1+len(word) > columns {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// sudo is what goes before a command that needs to be root's.
func sudo(command string) string {
	if os.Geteuid() == 0 {
		return command
	}
	return "sudo " + command
}
