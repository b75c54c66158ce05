//go:build unix

package doctor

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fdrace/internal/hostkey"
	"fdrace/internal/term"
)

// A configFile has what ssh -G does not print: the conditions of the Host and Match lines.
type configFile struct {
	file  *string  // as for ssh -F; nil if they are the user's and the system's
	hosts []string // the patterns of all Host lines
	blind []string // the criteria of Match lines that ssh -G cannot know
}

// maxIncludes bounds files that include each other, as ssh does.
const maxIncludes = 16

// readConfigFiles reads file, or if that is empty the user's and the system's.
func readConfigFiles(file string) (c configFile) {
	directory := filepath.Join(includeHome(), ".ssh")
	if file != "" {
		c.file = &file
		c.read(file, directory, 0)
		return c
	}
	c.read(userConfig(), directory, 0)
	c.read("/etc/ssh/ssh_config", "/etc/ssh", 0)
	return c
}

func userConfig() string { return filepath.Join(hostkey.Home(), ".ssh/config") }

// includeHome returns the home directory for Include lines: ssh expands these with glob(3),
// which prefers $HOME to the password database.
func includeHome() string {
	if home := os.Getenv("HOME"); home != "" {
		return home
	}
	return hostkey.Home()
}

// read adds the lines of a file. It ignores a file that cannot be read, which ssh -G has
// reported.
func (c *configFile) read(file, directory string, depth int) {
	text, err := os.ReadFile(file)
	if err != nil || depth > maxIncludes {
		return
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		end := strings.IndexAny(line, " \t=")
		if end < 0 || line[0] == '#' {
			continue
		}
		args := splitArgs(strings.TrimLeft(line[end:], " \t="))
		switch strings.ToLower(line[:end]) {
		case "host":
			c.hosts = append(c.hosts, args...)
		case "match":
			for _, word := range args {
				criterion := strings.ToLower(strings.TrimPrefix(word, "!"))
				if slices.Contains([]string{"sessiontype", "command", "tagged"}, criterion) && !slices.Contains(c.blind, criterion) {
					c.blind = append(c.blind, criterion)
				}
			}
		case "include":
			for _, pattern := range args {
				if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
					pattern = filepath.Join(includeHome(), rest)
				} else if !filepath.IsAbs(pattern) {
					pattern = filepath.Join(directory, pattern)
				}
				files, _ := filepath.Glob(pattern)
				for _, name := range files {
					c.read(name, directory, depth+1)
				}
			}
		}
	}
}

// splitArgs splits the arguments of a line as ssh does (argv_split of misc.c): quotes of
// both kinds, a backslash before a quote, a backslash or, outside of quotes, a space; and
// a comment.
func splitArgs(line string) (args []string) {
	var arg []byte
	inside, quote := false, byte(0) // of an argument; the quote that is open
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch next := line[min(i+1, len(line)-1)]; {
		case c == '\\' && i+1 < len(line) && (strings.IndexByte(`'"\`, next) >= 0 || quote == 0 && next == ' '):
			arg, inside = append(arg, next), true
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			arg = append(arg, c)
		case c == ' ' || c == '\t':
			if inside {
				args = append(args, string(arg))
			}
			arg, inside = nil, false
		case c == '#' && !inside:
			return args
		case c == '"' || c == '\'':
			quote, inside = c, true
		default:
			arg, inside = append(arg, c), true
		}
	}
	if inside {
		args = append(args, string(arg))
	}
	return args
}

// names reports whether a Host line names alias, by more than a *.
func (c configFile) names(alias string) bool {
	return slices.ContainsFunc(c.hosts, func(pattern string) bool {
		if strings.Trim(pattern, "*") == "" {
			return false
		}
		literal := strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(pattern) // ssh has only * and ?
		matches, err := path.Match(literal, alias)
		return err == nil && matches
	})
}

// checkSpelling looks for a Host line whose pattern alias may be a misspelling of.
func checkSpelling(alias string, c configFile) []Finding {
	if c.names(alias) {
		return nil
	}
	near := closest(alias, c.hosts)
	if near == "" {
		return nil
	}
	return []Finding{{
		Check: "Host", Status: Warn,
		Found:  fmt.Sprintf("no Host block matches %q: did you mean %s?", alias, near),
		Remedy: "if so, run: " + sshWith(c.file) + " " + term.Quote(near), Where: ByHand,
	}}
}

// closest returns the one of names that differs from word by the fewest slips, or "" if all
// differ by more than one in three letters. A different spelling of the same sound is one
// slip.
func closest(word string, names []string) (best string) {
	least := max(1, len(word)/3) + 1
	sound := strings.NewReplacer("ck", "k", "x", "ks", "ph", "f") // bocks is heard as box
	for _, name := range names {
		if strings.ContainsAny(name, "*?!") {
			continue
		}
		a, b := strings.ToLower(word), strings.ToLower(name)
		n := min(slips(a, b), 1+slips(sound.Replace(a), sound.Replace(b)))
		if n < least && n < len(name) {
			best, least = name, n
		}
	}
	return best
}

// slips returns how many letters of a must be added, left out, replaced or swapped with the
// next one to get b.
func slips(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before = last
	}
	return row[len(b)]
}
