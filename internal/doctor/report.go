//go:build unix

package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"fdrace/internal/term"
)

// A report writes findings as they come.
type report struct {
	w      io.Writer
	json   bool
	screen term.Screen
	config string // name of the ssh_config that is checked, as people write it
	failed bool   // a finding is a failure
	err    error  // of w
}

func newReport(w *os.File, config string, json bool) *report {
	r := &report{w: w, json: json, config: config, screen: term.Of(int(w.Fd()))}
	if config == "" {
		r.config = "~/.ssh/config"
	}
	return r
}

func (r *report) add(findings ...Finding) {
	for _, f := range findings {
		r.failed = r.failed || f.Status == Fail
		var err error
		if r.json {
			e := json.NewEncoder(r.w)
			e.SetEscapeHTML(false) // so that people can read "2>>log", too
			err = e.Encode(f)
		} else {
			_, err = io.WriteString(r.w, r.text(f))
		}
		if r.err == nil {
			r.err = err
		}
	}
}

// Columns of the report.
const (
	checkColumn = 6  // where the name of the check begins
	foundColumn = 24 // where the result begins
)

// text returns f for people: the result, and below it the remedy, ready to be copied.
func (r *report) text(f Finding) string {
	head := fmt.Sprintf("%-*s%-*s ", checkColumn, f.Status, foundColumn-checkColumn-1, f.Check)
	color := map[Status]string{OK: term.Green, Warn: term.Yellow, Fail: term.Bold + ";" + term.Red}[f.Status]
	head = r.screen.Paint(color, head[:checkColumn]) + head[checkColumn:]
	var b strings.Builder
	for i, line := range r.wrap(f.Found, foundColumn) {
		if i > 0 {
			head = strings.Repeat(" ", foundColumn)
		}
		fmt.Fprintf(&b, "%s%s\n", head, line)
	}
	if f.Remedy == "" {
		return b.String()
	}
	indent := strings.Repeat(" ", checkColumn)
	if f.Where == ByHand {
		for _, line := range r.wrap(f.Remedy, checkColumn) {
			fmt.Fprintf(&b, "%s%s\n", indent, line)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s%s:\n", indent, map[Location]string{
		InShell:  "run",
		InConfig: "add to the top of " + term.Printable(r.config),
		OnServer: "run on the server",
	}[f.Where])
	for line := range strings.SplitSeq(f.Remedy, "\n") {
		fmt.Fprintf(&b, "%s    %s\n", indent, term.Printable(line))
	}
	return b.String()
}

// wrap breaks text between words into lines that fit the screen after an indentation. If the
// output is a file or a pipe, it does so only if COLUMNS is set.
func (r *report) wrap(text string, indent int) []string {
	width := r.screen.Width - indent
	if !r.screen.Terminal && os.Getenv("COLUMNS") == "" {
		width = 0
	}
	return wrap(term.Printable(text), width)
}

// wrap breaks text between words into lines of at most width bytes, and not at all if
// width is less than a terminal's.
func wrap(text string, width int) (lines []string) {
	const least = 20
	line := ""
	for word := range strings.FieldsSeq(text) {
		if width >= least && line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
