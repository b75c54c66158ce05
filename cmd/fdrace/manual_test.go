//go:build linux

package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFlagsAreDocumented asks that --help, the manual and the table of the
// README have the same flags, in the same spellings and with the same values.
func TestFlagsAreDocumented(t *testing.T) {
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
		item, _, _ = strings.Cut(item, " Op ")
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

// flagsOfTable returns those of lines as "| `-p`, `--port=22` | the port |".
func flagsOfTable(readme string) (flags []string) {
	_, table, _ := strings.Cut(readme, "\n| flag | meaning |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	word := regexp.MustCompile("`(-[^`= ]+=?)[^`]*`")
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, " | ")
		var spellings []string
		for _, m := range word.FindAllStringSubmatch(cells[0], -1) {
			spellings = append(spellings, m[1])
		}
		if len(spellings) > 0 {
			flags = append(flags, strings.Join(spellings, " "))
		}
	}
	return flags
}

// inSynopsis tells whether one of flag's spellings is there: -4 by ".Op Fl 46",
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
