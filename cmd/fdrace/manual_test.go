//go:build linux

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestManualFlags compares the flags in --help, in the manual and in the table of the
// README, with their spellings and whether they take a value.
func TestManualFlags(t *testing.T) {
	help := flagsOfHelp(t)
	if !slices.Contains(help, "-h --help") {
		t.Fatalf("--help has no --help, but %q", help)
	}
	manual := text(t, "fdrace.1")
	for place, flags := range map[string][]string{
		"the OPTIONS of fdrace.1": flagsOfManual(manual),
		"README.md":               flagsOfTable(text(t, "../../README.md")),
	} {
		for _, flag := range help {
			if !slices.Contains(flags, flag) {
				t.Errorf("%s: no %s, which --help has", place, flag)
			}
		}
		for _, flag := range flags {
			if !slices.Contains(help, flag) {
				t.Errorf("%s: %s, which --help does not have", place, flag)
			}
		}
	}
	for _, flag := range help {
		if !inSynopsis(flag, manual) {
			t.Errorf("the SYNOPSIS of fdrace.1: no %s", flag)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// flagsOfHelp returns the flags as "-p --port=" or "--banner".
func flagsOfHelp(t *testing.T) (flags []string) {
	said, err := exec.Command(build(t), "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("--help: %v: %s", err, said)
	}
	line := regexp.MustCompile(`(?m)^ +(?:(-\w), +)?(--[\w-]+)(=)?`)
	_, table, _ := strings.Cut(string(said), "\n"+helpGroups[0].title+":\n")
	for _, m := range line.FindAllStringSubmatch(table, -1) {
		flags = append(flags, strings.TrimSpace(m[1]+" "+m[2]+m[3]))
	}
	return flags
}

// flagsOfManual returns those that have an item of their own, as in
// ".It Fl p , \-port Ns = Ns Ar PORT".
func flagsOfManual(manual string) (flags []string) {
	for line := range strings.SplitSeq(part(manual, "OPTIONS"), "\n") {
		item, ok := strings.CutPrefix(line, ".It Fl ")
		if !ok {
			continue
		}
		item, _, _ = strings.Cut(item, " Ns Op ")
		item, value, takesOne := strings.Cut(item, " Ns ")
		var spellings []string
		for _, s := range strings.Split(item, " , ") {
			spellings = append(spellings, "-"+unroff(s))
		}
		flag := strings.Join(spellings, " ")
		if takesOne {
			flag += value[:strings.Index(value, "=")+1]
		}
		flags = append(flags, flag)
	}
	return flags
}

// flagsOfTable returns those in rows like "| timing | `-w`, `--timeout=10s`; `--banner` |".
func flagsOfTable(readme string) (flags []string) {
	_, table, _ := strings.Cut(readme, "\n| flags for | |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	word := regexp.MustCompile("`(-[^`= ]+=?)[^`]*`")
	for item := range strings.FieldsFuncSeq(table, func(r rune) bool { return r == ';' || r == '|' }) {
		var spellings []string
		for _, m := range word.FindAllStringSubmatch(item, -1) {
			spellings = append(spellings, m[1])
		}
		if len(spellings) > 0 {
			flags = append(flags, strings.Join(spellings, " "))
		}
	}
	return flags
}

// inSynopsis reports whether one of flag's spellings is there: -4 by ".Op Fl 46",
// --explain by ".Fl \-explain".
func inSynopsis(flag, manual string) bool {
	synopsis := unroff(part(manual, "SYNOPSIS"))
	for s := range strings.FieldsSeq(strings.TrimRight(flag, "=")) {
		s = s[1:]
		for line := range strings.SplitSeq(synopsis, "\n") {
			words, ok := strings.CutPrefix(strings.Replace(line, ".Op ", ".", 1), ".Fl ")
			first, _, _ := strings.Cut(words, " ")
			together := len(s) == 1 && !strings.HasPrefix(first, "-") && strings.Contains(first, s)
			if ok && (together || slices.Contains(strings.Fields(words), s)) {
				return true
			}
		}
	}
	return false
}

// part returns one section of the manual.
func part(manual, name string) string {
	_, after, _ := strings.Cut(manual, "\n.Sh "+name+"\n")
	section, _, _ := strings.Cut(after, "\n.Sh ")
	return section
}

// TestManualEnvironment compares the ENVIRONMENT of the manual with what the program
// reads.
func TestManualEnvironment(t *testing.T) {
	source := sourceOfProgram(t)
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Ev (.*)$`).FindAllStringSubmatch(part(text(t, "fdrace.1"), "ENVIRONMENT"), -1) {
		documented = append(documented, strings.Split(m[1], " , ")...)
	}
	for _, name := range documented {
		if !strings.Contains(source, `"`+name+`"`) && !strings.Contains(source, `"`+name+`="`) {
			t.Errorf("fdrace.1 has the variable %s, which the program does not read", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?:Getenv|LookupEnv)\("(\w+)"`).FindAllStringSubmatch(source, -1) {
		if !slices.Contains(documented, m[1]) {
			t.Errorf("fdrace.1 does not have the variable %s", m[1])
		}
	}
}

// TestManualFiles asks that the manual has every file of the system that the program
// names.
func TestManualFiles(t *testing.T) {
	files := unroff(part(text(t, "fdrace.1"), "FILES"))
	for _, m := range regexp.MustCompile(`"(/(?:etc|run|var)/[^" ]+?)(?:\\x00)?"`).FindAllStringSubmatch(sourceOfProgram(t), -1) {
		if !strings.Contains(files, m[1]) {
			t.Errorf("fdrace.1 does not have the file %s", m[1])
		}
	}
}

// TestManualExitStatus compares the statuses in the manual with those in the program.
func TestManualExitStatus(t *testing.T) {
	documented, used := []string{}, []string{"0"}
	for _, m := range regexp.MustCompile(`(?m)^\.It (\d+)$`).FindAllStringSubmatch(part(text(t, "fdrace.1"), "EXIT STATUS"), -1) {
		documented = append(documented, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\texit\w+ += (\d+)$`).FindAllStringSubmatch(sourceOfProgram(t), -1) {
		used = append(used, m[1])
	}
	if !equalSets(documented, used) {
		t.Errorf("fdrace.1 has the exit statuses %q, and the program %q", documented, used)
	}
}

// sourceOfProgram returns all that fdrace is built from, without its tests and without
// the packages that only tests and tools use.
func sourceOfProgram(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, root := range []string{".", "../../internal", "../../fdpass", "../../mptcp"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains([]string{"lab", "tools", "golden", "testdata"}, d.Name()):
				return fs.SkipDir
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				all.WriteString(text(t, path))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestReadmeLength keeps the README short: the rest belongs into the manuals.
func TestReadmeLength(t *testing.T) {
	if n := strings.Count(text(t, "../../README.md"), "\n"); n > 250 {
		t.Errorf("README.md has %d lines; 250 are enough", n)
	}
}

// TestReadmeLoss compares the README's figures with those that were measured. Package
// soak tests that they hold.
func TestReadmeLoss(t *testing.T) {
	measured, readme := text(t, "../../internal/tools/bench/README.md"), text(t, "../../README.md")
	cells := func(text, first string) []string {
		_, row, ok := strings.Cut(text, "\n| "+first+" |")
		if !ok {
			t.Fatalf("no row %q", first)
		}
		row, _, _ = strings.Cut(row, "\n")
		return strings.Split(strings.ReplaceAll(strings.Trim(row, " |"), " ms", ""), " | ")
	}
	_, table, _ := strings.Cut(readme, "| 90 % of connections")
	address, name := cells(measured, "an address"), cells(measured, "a name with A, by DNS")
	// Both have the mean, p90 and p99, first of fdrace and then of nc -F.
	for who, p90 := range map[string]int{"fdrace": 1, "`nc -F`": 4} {
		if got, want := cells(table, who), []string{address[p90], name[p90]}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
	}
}
