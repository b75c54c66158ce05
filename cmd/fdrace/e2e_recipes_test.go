//go:build linux

package main

import (
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
)

// recipeVerbs are those of the stories of the recipes, which run as the manuals and
// the README print them.
//
//	recipe TITLE   ~/.ssh/config, of a home of both hosts' own, is what is
//	               under that title in a manual, and where the lab's keys are. The
//	               commands there are in the files command1, command2, and so on.
//	readme WORDS   the block of the README that begins so is what stderr or stdout
//	               has: each of its lines in turn, but for the times
func recipeVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"recipe": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: recipe TITLE")
			}
			ts.Check(ts.Value(stateKey{}).(*state).recipe(ts, args[0]))
		},
		"readme": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: readme WORDS")
			}
			ts.Check(printed(args[0], ts.ReadFile("stdout")+ts.ReadFile("stderr")))
		},
	}
}

// printed returns an error if output does not have the lines of a block of the README.
func printed(beginning, output string) error {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		return err
	}
	blocks := blocksOf(string(readme))
	at := slices.IndexFunc(blocks, func(block string) bool { return strings.HasPrefix(block, beginning) })
	if at < 0 {
		return fmt.Errorf("no block %q in README.md", beginning)
	}
	times := regexp.MustCompile(`\d+\.\d ms`)
	rest := times.ReplaceAllString(output, "N ms")
	for line := range strings.Lines(times.ReplaceAllString(blocks[at], "N ms")) {
		if strings.HasPrefix(line, "$ ") {
			continue
		}
		_, after, ok := strings.Cut("\n"+rest, "\n"+line)
		if !ok {
			return fmt.Errorf("README.md has %q, which is not printed after what is before it:\n%s", line, output)
		}
		rest = after
	}
	return nil
}

// firstBlock is the section of the README whose first block a newcomer takes.
const firstBlock = "The block in ssh_config"

// home is where it is short enough for the path of a control socket.
const home = "/run/home"

func (s *state) recipe(ts *testscript.TestScript, title string) error {
	all := recipes()
	if readme, err := os.ReadFile("../../README.md"); err == nil {
		_, section, _ := strings.Cut(string(readme), "\n## "+firstBlock+"\n")
		all[firstBlock] = recipe{stanzas: blocksOf(section)[0]}
	}
	recipe, ok := all[title]
	if !ok {
		return fmt.Errorf("no recipe %q in the manuals", title)
	}
	stanzas, commands := recipe.stanzas, recipe.commands
	for i, command := range commands {
		name := ts.MkAbs(fmt.Sprintf("command%d", i+1))
		if err := os.WriteFile(name, []byte(command), 0o644); err != nil {
			return err
		}
	}
	for _, host := range []*lab.Host{lab.NearHost(ts), lab.FarHost(ts)} {
		if err := moveIn(host); err != nil {
			return err
		}
	}
	ts.Setenv("HOME", home)
	return os.WriteFile(home+"/.ssh/config", []byte(stanzas+"Host *\n"+lab.ClientConfig(s.env.WorkDir)), 0o600)
}

// moveIn gives who runs the test a home of the host's own. ssh looks for it not
// in $HOME, but in the list of users.
func moveIn(host *lab.Host) error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	users, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	// The first line of a name is the one that counts.
	entry := fmt.Sprintf("%s:x:%s:%s::%s:/bin/sh\n", me.Username, me.Uid, me.Gid, home)
	if err := host.File("/etc/passwd", entry+string(users)); err != nil {
		return err
	}
	return host.Do(func() error { return os.MkdirAll(home+"/.ssh", 0o700) })
}

// A recipe is an example in a manual.
type recipe struct {
	stanzas  string // of ssh_config
	commands []string
}

// recipes returns the examples of both manuals, by their titles. Those with the same
// title are one.
func recipes() map[string]recipe {
	all := map[string]recipe{}
	for _, file := range []string{"fdrace-mptcp.7", "fdrace.1"} {
		manual, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		for example := range strings.SplitSeq(part(string(manual), "EXAMPLES"), "\n.Ss ") {
			title, body, _ := strings.Cut(strings.TrimPrefix(example, ".Ss "), "\n")
			r := all[unroff(title)]
			for _, block := range displays(body) {
				if !strings.HasPrefix(block, "Host ") {
					r.commands = append(r.commands, block)
				} else if !strings.Contains(r.stanzas, block) {
					r.stanzas += block + "\n"
				}
			}
			if len(r.stanzas)+len(r.commands) > 0 {
				all[unroff(title)] = r
			}
		}
	}
	return all
}

// displays returns what a manual prints as it is.
func displays(section string) (blocks []string) {
	for _, display := range strings.Split(section, ".Bd -literal -offset indent\n")[1:] {
		block, _, _ := strings.Cut(display, ".Ed")
		blocks = append(blocks, unroff(block))
	}
	return blocks
}

// blocksOf returns the blocks of a part of the README that are indented by four blanks.
func blocksOf(section string) (blocks []string) {
	for block := range strings.SplitSeq(section, "\n\n") {
		block = "\n" + strings.Trim(block, "\n") + "\n"
		if strings.HasPrefix(block, "\n    ") {
			blocks = append(blocks, strings.ReplaceAll(block, "\n    ", "\n")[1:])
		}
	}
	return blocks
}

// TestRecipes asks that every recipe has a story, and that those of the README are the
// manuals'.
func TestRecipes(t *testing.T) {
	var told strings.Builder
	for _, file := range stories(t, "recipe_*") {
		told.WriteString(text(t, file))
	}
	all := recipes()
	if len(all) < 10 {
		t.Errorf("the manuals have only %d recipes", len(all))
	}
	for title := range all {
		if !strings.Contains(told.String(), "\nrecipe '"+title+"'\n") {
			t.Errorf("no testdata/recipe_*.txtar has the recipe %q", title)
		}
	}
	_, below, _ := strings.Cut(text(t, "../../README.md"), "\n## Recipes\n")
	below, _, _ = strings.Cut(below, "\n## ")
	sections := strings.Split(below, "\n### ")[1:]
	if len(sections) == 0 {
		t.Error("no recipes in README.md")
	}
	for _, section := range sections {
		title, body, _ := strings.Cut(section, "\n")
		r, ok := all[title]
		if !ok {
			t.Errorf("the manuals do not have the recipe %q of README.md", title)
			continue
		}
		for _, block := range blocksOf(body) {
			if !strings.Contains(r.stanzas, block) && !slices.Contains(r.commands, block) {
				t.Errorf("%s: the manuals do not have\n%s", title, block)
			}
		}
	}
}

// unroff undoes what roff wants of a text that is to be printed as it is.
func unroff(text string) string {
	return strings.NewReplacer(`\-`, "-", `\&`, "", `\(aq`, "'", `\(ti`, "~").Replace(text)
}
