//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fdrace/internal/helper"

	"github.com/alecthomas/kong"
)

// A spelling is one way to write a flag.
type spelling struct {
	text       string // -p or --port
	takesValue bool
}

// spellings returns every spelling of every flag in the table that kong reads.
func spellings(t *testing.T) (all []spelling) {
	t.Helper()
	k, err := kong.New(new(struct {
		helper.Options
		Version versionFlag `short:"V"`
	}), kong.TypeMapper(reflect.TypeFor[helper.WakeFlag](), wakeMapper{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range k.Model.Flags {
		takesValue := !flag.IsBool() && !flag.IsCounter()
		all = append(all, spelling{"--" + flag.Name, takesValue})
		if flag.Short != 0 {
			all = append(all, spelling{"-" + string(flag.Short), takesValue})
		}
	}
	return all
}

// TestCompletionsHaveEveryFlag compares the three files with the flags of the
// program. It needs no shell.
func TestCompletionsHaveEveryFlag(t *testing.T) {
	for file, read := range map[string]func(string) []spelling{
		"completions/fdrace.bash": flagsOfBash,
		"completions/_fdrace":     flagsOfZsh,
		"completions/fdrace.fish": flagsOfFish,
	} {
		offered, wanted := read(text(t, file)), spellings(t)
		for _, s := range wanted {
			if !slices.Contains(offered, s) {
				t.Errorf("%s does not offer %s (takes a value: %t)", file, s.text, s.takesValue)
			}
		}
		for _, s := range offered {
			if !slices.Contains(wanted, s) {
				t.Errorf("%s offers %s (takes a value: %t), which fdrace does not have", file, s.text, s.takesValue)
			}
		}
	}
}

// flagsOfBash reads "-p --port=" and the like. Which short flag takes a value
// follows from the long one after it.
func flagsOfBash(file string) (all []spelling) {
	_, list, _ := strings.Cut(file, "printf '%s\\n' --names-only")
	list, _, _ = strings.Cut("--names-only"+list, ")")
	words := strings.Fields(strings.ReplaceAll(list, "\\\n", " "))
	for i, word := range words {
		long := word
		if !strings.HasPrefix(word, "--") && i+1 < len(words) {
			long = words[i+1]
		}
		all = append(all, spelling{strings.TrimSuffix(word, "="), strings.HasSuffix(long, "=")})
	}
	return all
}

// flagsOfZsh reads the lines of _arguments: '…'{-p+,--port=}'[…' or '--delay=[…'.
func flagsOfZsh(file string) (all []spelling) {
	line := regexp.MustCompile(`(?m)^\t\t'(?:\([^)]*\)|\*)?(?:'\{([^}]*)\}'|(--[\w-]+=?))\[`)
	for _, m := range line.FindAllStringSubmatch(file, -1) {
		words := strings.Split(m[1]+m[2], ",")
		takesValue := strings.HasSuffix(words[0], "+") || strings.HasSuffix(words[0], "=")
		for _, word := range words {
			all = append(all, spelling{strings.TrimRight(word, "+="), takesValue})
		}
	}
	return all
}

// flagsOfFish reads "complete -c fdrace -s p -l port -x …".
func flagsOfFish(file string) (all []spelling) {
	line := regexp.MustCompile(`(?m)^complete -c fdrace (?:-s (\w) )?-l ([\w-]+)( -[xr])?`)
	for _, m := range line.FindAllStringSubmatch(file, -1) {
		all = append(all, spelling{"--" + m[2], m[3] != ""})
		if m[1] != "" {
			all = append(all, spelling{"-" + m[1], m[3] != ""})
		}
	}
	return all
}

// completionCases are lines that end where Tab is pressed, and words that the
// shell must and must not offer there, or what the line is completed to.
var completionCases = []struct {
	line      string
	offered   string
	not       string
	completed string
}{
	{line: "fdrace --", offered: "--names-only --port --mptcp --explain --doctor --proxy --jump --version"},
	{line: "fdrace --names-o", completed: "fdrace --names-only "},
	{line: "fdrace --every-interface --no-d", completed: "fdrace --every-interface --no-direct "},
	{line: "fdrace ", offered: "box other included deeper known.example.org ported.example.org", not: "*.lan"},
	{line: "fdrace -4 inclu", completed: "fdrace -4 included "},
	{line: "fdrace -- know", completed: "fdrace -- known.example.org "},
	{line: "fdrace --doctor bo", completed: "fdrace --doctor box "},
	{line: "fdrace --jump=kn", completed: "fdrace --jump=known.example.org "},
	{line: "fdrace --proxy-a", completed: "fdrace --proxy-auth="},
	{line: "fdrace --proxy ", offered: "socks5:// socks4a:// http://", not: "box"},
	{line: "fdrace -B l", completed: "fdrace -B lo "},
	{line: "fdrace -b 127.0.0.", completed: "fdrace -b 127.0.0.1 "},
	{line: "fdrace --log a_f", completed: "fdrace --log a_file "},
	{line: "fdrace --ssh-config=a_f", completed: "fdrace --ssh-config=a_file "},
	{line: "fdrace --host-nonsense", completed: "fdrace --host-nonsense"},
}

// TestCompletions presses Tab in the shells.
func TestCompletions(t *testing.T) {
	home := t.TempDir()
	for name, content := range map[string]string{
		".ssh/config":       "Host box other *.lan\n\tHostName box.example.org\nInclude conf.d/*\n",
		".ssh/conf.d/first": "host included\nInclude ~/more\n",
		"more":              "Host deeper",
		".ssh/known_hosts":  "known.example.org,192.0.2.77 ssh-ed25519 AAAA\n[ported.example.org]:2222 ssh-ed25519 AAAA\n|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA\n",
		"a_file":            "",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := filepath.Abs("completions")
	if err != nil {
		t.Fatal(err)
	}
	for shell, start := range map[string]func(*testing.T, string, string) *shellSession{
		"bash": startBash, "zsh": startZsh, "fish": startFish,
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("no %[1]s: run `sh .ci/need %[1]s`", shell)
			}
			s := start(t, home, dir)
			for _, c := range completionCases {
				line, shown := s.tab(c.line)
				// After a flag that takes a value fish puts a blank, the others =.
				line = strings.Replace(line, "--proxy-auth ", "--proxy-auth=", 1)
				if c.completed != "" && line != c.completed {
					t.Errorf("%q is completed to %q, want %q", c.line, line, c.completed)
				}
				words := strings.Fields(shown)
				has := func(word string) bool {
					return slices.Contains(words, word) || slices.Contains(words, word+"=")
				}
				for word := range strings.FieldsSeq(c.offered) {
					if !has(word) {
						t.Errorf("after %q there is no %s among %q", c.line, word, words)
					}
				}
				for word := range strings.FieldsSeq(c.not) {
					if has(word) {
						t.Errorf("after %q there is %s", c.line, word)
					}
				}
			}
		})
	}
}

// A shellSession is a shell on a terminal. Ctrl-T has it print its line between
// << and >>, and empty it.
type shellSession struct {
	t        *testing.T
	terminal *os.File
}

// startShell runs a shell in home and waits until it reads keys.
func startShell(t *testing.T, home string, args ...string) *shellSession {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "ZDOTDIR=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "PATH=" + os.Getenv("PATH"), "TERM=xterm", "LC_ALL=C.UTF-8"}
	terminal, err := openTerminal(cmd, 200)
	if err != nil {
		t.Fatal(err)
	}
	// The terminal is not pollable: this ends a read that waits for a shell that hangs.
	watch := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		watch.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		terminal.Close()
	})
	s := &shellSession{t, terminal}
	s.until(regexp.MustCompile("READY>"))
	return s
}

func startBash(t *testing.T, home, completions string) *shellSession {
	rc := filepath.Join(home, "bashrc")
	writeRC(t, rc, `
PS1='READY> '
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set show-all-if-ambiguous on'
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
bind -x '"\C-t": printf "<<%s>>\n" "$READLINE_LINE"; READLINE_LINE= READLINE_POINT=0'
. `+completions+`/fdrace.bash
`)
	return startShell(t, home, "bash", "--noprofile", "--rcfile", rc, "-i")
}

func startZsh(t *testing.T, home, completions string) *shellSession {
	writeRC(t, filepath.Join(home, ".zshrc"), `
fpath=(`+completions+` $fpath)
autoload -Uz compinit
compinit -u -D
PS1='READY> ' LISTMAX=1000
setopt no_beep no_prompt_cr
show() { print -r -- "<<$BUFFER>>"; BUFFER= }
zle -N show
bindkey -e
bindkey '^T' show
`)
	return startShell(t, home, "zsh", "-d", "-i")
}

func startFish(t *testing.T, home, completions string) *shellSession {
	rc := filepath.Join(home, "rc.fish")
	writeRC(t, rc, `
set -g fish_greeting
function fish_prompt; echo -n 'READY> '; end
set -g fish_autosuggestion_enabled 0
function show; echo '<<'(commandline)'>>'; commandline ''; end
bind \ct show
source `+completions+`/fdrace.fish
`)
	return startShell(t, home, "fish", "-N", "-i", "-C", "source "+rc)
}

func writeRC(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shownLine matches what Ctrl-T shows.
var shownLine = regexp.MustCompile(`(?s)^(.*?)<<(.*?)>>`)

// tab types the line and Tab, and returns what the line then is and all that was
// shown meanwhile.
func (s *shellSession) tab(line string) (completed, shown string) {
	s.t.Helper()
	if _, err := s.terminal.WriteString(line + "\t\x14"); err != nil {
		s.t.Fatal(err)
	}
	m := s.until(shownLine)
	return m[2], m[1]
}

// control matches what moves a cursor or changes a color.
var control = regexp.MustCompile(`\x1b\[[0-9;?>=]*[A-Za-z]|\x1b[()][AB0]|\x1b[=>]|[\x00-\x08\x0e-\x1a]`)

// until reads until what was shown matches, and returns the match.
func (s *shellSession) until(wanted *regexp.Regexp) []string {
	s.t.Helper()
	var all []byte
	for buf := make([]byte, 4096); ; {
		n, err := s.terminal.Read(buf)
		if err != nil {
			s.t.Fatalf("the shell has ended, and has not shown %s: %v: %q", wanted, err, all)
		}
		all = append(all, buf[:n]...)
		if m := wanted.FindStringSubmatch(control.ReplaceAllString(string(all), " ")); m != nil {
			return m
		}
	}
}
