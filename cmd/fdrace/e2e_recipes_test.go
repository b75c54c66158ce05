//go:build linux

package main

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"testing"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
)

// recipeVerbs are those of the stories of the README's recipes, which run as
// the README prints them.
//
//	recipe TITLE   ~/.ssh/config, of a home of both hosts' own, is what is
//	               under that title, and where the lab's keys are. The commands
//	               there are in the files command1, command2, and so on.
func recipeVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"recipe": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: recipe TITLE")
			}
			ts.Check(ts.Value(stateKey{}).(*state).recipe(ts, args[0]))
		},
	}
}

// home is where it is short enough for the path of a control socket.
const home = "/run/home"

func (s *state) recipe(ts *testscript.TestScript, title string) error {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		return err
	}
	section, ok := sectionOf(string(readme), title)
	if !ok {
		return fmt.Errorf("no recipe %q in README.md", title)
	}
	stanzas, commands := printed(section)
	if stanzas == "" {
		return fmt.Errorf("recipe %q has no stanza", title)
	}
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

// sectionOf returns what is below the heading of that title, up to the next.
func sectionOf(readme, title string) (section string, ok bool) {
	_, after, ok := strings.Cut(readme, "\n### "+title+"\n")
	section, _, _ = strings.Cut(after, "\n#")
	return section, ok
}

// printed returns the blocks of a section that are set off by four blanks, or
// by six in a list: the stanzas of ssh_config, and the commands.
func printed(section string) (stanzas string, commands []string) {
	for block := range strings.SplitSeq(section, "\n\n") {
		block = strings.Trim(block, "\n") + "\n"
		indent := len(block) - len(strings.TrimLeft(block, " "))
		if indent < 4 {
			continue
		}
		block = strings.ReplaceAll("\n"+block, "\n"+strings.Repeat(" ", indent), "\n")[1:]
		if strings.HasPrefix(block, "Host ") {
			stanzas += block + "\n"
		} else {
			commands = append(commands, block)
		}
	}
	return stanzas, commands
}

// TestRecipes asks that there is a story of every recipe, and that the manual
// prints the same.
func TestRecipes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("fdrace.1")
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for _, file := range stories(t, func(name string) bool { return strings.HasPrefix(name, "recipe_") }) {
		story, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(story)
	}
	titles := titlesBelow(string(readme), "Recipes")
	if len(titles) == 0 {
		t.Error("no recipes in README.md")
	}
	for _, title := range titles {
		if !strings.Contains(told.String(), "\nrecipe '"+title+"'\n") {
			t.Errorf("no testdata/recipe_*.txtar has the recipe %q", title)
		}
		section, _ := sectionOf(string(readme), title)
		stanzas, commands := printed(section)
		for _, block := range append(strings.SplitAfter(stanzas, "\n\n"), commands...) {
			if !strings.Contains(unroff(string(manual)), strings.TrimSpace(block)+"\n") {
				t.Errorf("%s: fdrace.1 does not have\n%s", title, block)
			}
		}
	}
}

// titlesBelow returns the headings of the third level below one of the second.
func titlesBelow(readme, heading string) (titles []string) {
	_, after, _ := strings.Cut(readme, "\n## "+heading+"\n")
	below, _, _ := strings.Cut(after, "\n## ")
	for line := range strings.SplitSeq(below, "\n") {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			titles = append(titles, title)
		}
	}
	return titles
}

// unroff undoes what roff wants of a text that is to be printed as it is.
func unroff(text string) string {
	return strings.NewReplacer(`\-`, "-", `\&`, "", `\(aq`, "'", `\(ti`, "~").Replace(text)
}
