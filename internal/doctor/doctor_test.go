//go:build unix

package doctor

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fdrace/internal/term"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024\n": "9.2p1",
		"OpenSSH_10.0p2, LibreSSL 4.0.0":                              "10.0p2",
		"OpenSSH_6.4":                                                 "6.4",
		"Dropbear v2022.83":                                           "",
		"OpenSSH_":                                                    "",
		"":                                                            "",
	} {
		if got, ok := parseVersion(text); ok != (want != "") || ok && got != want {
			t.Errorf("parseVersion(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	c := parseConfig("host box\nidentityfile ~/.ssh/a\nidentityfile ~/.ssh/b\ncanonicalizePermittedcnames none\r\n\nstdinnull\nproxycommand fdrace --  %h 'a b'")
	for keyword, want := range map[string]string{
		"host":                        "box",
		"identityfile":                "~/.ssh/a",
		"canonicalizepermittedcnames": "none",
		"stdinnull":                   "",
		"proxycommand":                "fdrace --  %h 'a b'",
		"proxyjump":                   "",
	} {
		if c[keyword] != want {
			t.Errorf("%s is %q, want %q", keyword, c[keyword], want)
		}
	}
	if !c.unset("proxyjump") || !c.unset("canonicalizepermittedcnames") || c.unset("host") || !c.is("host", "BOX") || c.is("host", "bo") {
		t.Error("unset or is says something else of it")
	}
}

func TestRedact(t *testing.T) {
	for command, want := range map[string]string{
		"fdrace -- %h %p":                                             "fdrace -- %h %p",
		"fdrace --proxy socks5://proxy -- me@box":                     "fdrace --proxy socks5://proxy -- me@box",
		"fdrace --proxy socks5://me:pw@proxy -- %h %p":                "fdrace --proxy socks5://...@proxy -- %h %p",
		"fdrace --proxy='http://me:a b@c@proxy:1' --proxy a@b":        "fdrace --proxy='http://...@proxy:1' --proxy a@b",
		`fdrace --proxy "socks5://me:p\"w@x" --proxy http://a:b@c %h`: `fdrace --proxy "socks5://...@x" --proxy http://...@c %h`,
		"fdrace --proxy 'socks5://me:p w@proxy %h":                    "fdrace --proxy 'socks5://...@proxy %h", // no word that a shell would read
	} {
		if got := redact(command); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
	l := &login{host: "box"}
	f := l.fixCommand(Finding{Check: "x", Status: Warn}, "fdrace --proxy socks5://me:sesame@proxy -- %h %p")
	if strings.Contains(fmt.Sprint(f), "sesame") || f.Where != ByHand || !strings.Contains(l.command, "sesame") {
		t.Errorf("%+v", f)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("host box\nproxycommand fdrace -- %h %p\n")
	f.Add("\n \nx\ry\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseConfig(text)
		var again strings.Builder
		for keyword, value := range c {
			if keyword == "" || strings.ContainsAny(keyword, " \n") || strings.Contains(value, "\n") {
				t.Fatalf("%q: %q", keyword, value)
			}
			fmt.Fprintf(&again, "%s %s\n", keyword, value)
		}
		if got := parseConfig(again.String()); len(got) != len(c) {
			t.Errorf("%q and %q", c, got)
		}
	})
}

// proxyCommands are some, with the words they are; "" for those that only a
// shell can split.
var proxyCommands = map[string]string{
	`fdrace -- %h %p`:                       `fdrace|--|%h|%p`,
	"  fdrace\t'a b'\"c d\" ":               `fdrace|a bc d`,
	`fdrace '[2001:db8::7]:2222'`:           `fdrace|[2001:db8::7]:2222`,
	`fdrace \[::1\]:22 a\ b`:                `fdrace|[::1]:22|a b`,
	`fdrace "a\"b\\c\d"`:                    `fdrace|a"b\c\d`,
	`fdrace '' ""`:                          `fdrace||`,
	`fdrace a # and the rest`:               `fdrace|a`,
	`fdrace a#b`:                            `fdrace|a#b`,
	`fdrace -v a 2>>log b 2> 'an other' c`:  `fdrace|-v|a|b|c`,
	`fdrace a 2>/dev/null`:                  `fdrace|a`,
	`env FDRACE_LOG=/tmp/log fdrace a`:      `env|FDRACE_LOG=/tmp/log|fdrace|a`,
	`fdrace a 2>&1`:                         ``,
	`fdrace a >log`:                         ``,
	`fdrace $HOST`:                          ``,
	`fdrace "$HOST"`:                        ``,
	"fdrace `name`":                         ``,
	`test -e x && fdrace a || nc a 22`:      ``,
	`fdrace 'a`:                             ``,
	`fdrace "a`:                             ``,
	`fdrace a\`:                             ``,
	`if true; then exec fdrace %h; fi`:      ``,
	`fdrace a{b,c}`:                         ``,
	`fdrace "a'b" 'c"d' e"f"g'h'`:           `fdrace|a'b|c"d|efgh`,
	`/opt/fd\ race/fdrace -p 22 box.local.`: `/opt/fd race/fdrace|-p|22|box.local.`,
}

func TestSplitWords(t *testing.T) {
	for line, want := range proxyCommands {
		words, err := splitWords(line)
		if (err != nil) != (want == "") {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var got []string
		for _, w := range words {
			got = append(got, w.text)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %s", line, got, want)
		}
	}
}

// A shell makes the same words of them.
func TestSplitWordsAsShell(t *testing.T) {
	for line, want := range proxyCommands {
		if want == "" {
			continue
		}
		cmd := exec.Command("/bin/sh", "-c", "printf '%s|' "+line)
		cmd.Dir = t.TempDir()
		if out, err := cmd.Output(); err != nil || string(out) != want+"|" {
			t.Errorf("%s: %s, %v; want %s", line, out, err, want)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	for line := range proxyCommands {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		at := 0
		for _, w := range words {
			if w.start < at || w.end <= w.start || w.end > len(line) {
				t.Fatalf("%q: %+v after %d", line, w, at)
			}
			at = w.end
			alone, err := splitWords(line[w.start:w.end])
			if err != nil || len(alone) != 1 || alone[0].text != w.text {
				t.Errorf("%q: %+v by itself is %+v, %v", line, w, alone, err)
			}
			if again, err := splitWords(term.Quote(w.text)); err != nil || len(again) != 1 || again[0].text != w.text {
				t.Errorf("term.Quote(%q) = %s", w.text, term.Quote(w.text))
			}
		}
	})
}

func TestDoubleZones(t *testing.T) {
	for command, want := range map[string]string{
		"fdrace -- %h %p":                "fdrace -- %h %p",
		"fdrace fe80::1%%eth0":           "fdrace fe80::1%%eth0",
		"fdrace fe80::1%eth0 %p":         "fdrace fe80::1%%eth0 %p",
		"fdrace '[fe80::1%eth0]:22' %h":  "fdrace '[fe80::1%%eth0]:22' %h",
		"fdrace fe80::1%p2p1":            "fdrace fe80::1%%p2p1", // a port to ssh
		"fdrace [fe80::1%rmnet0]:22":     "fdrace [fe80::1%%rmnet0]:22",
		"fdrace -- %n.lan:%p":            "fdrace -- %n.lan:%p",
		"fdrace 2001:db8::%h":            "fdrace 2001:db8::%h",
		"fdrace %":                       "fdrace %%",
		"fdrace %%%h %%h":                "fdrace %%%h %%h",
		"date +%s; fdrace fe80::2%wlan0": "date +%%s; fdrace fe80::2%%wlan0",
	} {
		if got := doubleZones(command); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
}

func FuzzDoubleZones(f *testing.F) {
	f.Add("fdrace [fe80::1%eth0]:%p %%%")
	f.Fuzz(func(t *testing.T, command string) {
		doubled := doubleZones(command)
		if doubleZones(doubled) != doubled {
			t.Errorf("%q: %q, and then %q", command, doubled, doubleZones(doubled))
		}
		for rest := doubled; ; {
			_, after, found := strings.Cut(rest, "%")
			if !found {
				break
			}
			if after == "" || strings.IndexByte(tokens+"%", after[0]) < 0 {
				t.Fatalf("%q: %q has no such token", command, doubled)
			}
			rest = after[1:]
		}
	})
}

func TestExpand(t *testing.T) {
	values := map[byte]string{'h': "fe80::1%eth0", 'p': "22"}
	if got := expand("%h:%p %%h 100%", values); got != "fe80::1%eth0:22 %h 100%" {
		t.Error(got)
	}
}

func TestWrap(t *testing.T) {
	if got := wrap("one two  three-and-twenty-letters four", 20); !slices.Equal(got, []string{"one two", "three-and-twenty-letters", "four"}) {
		t.Errorf("%q", got)
	}
	if got := wrap("one two", 0); !slices.Equal(got, []string{"one two"}) {
		t.Errorf("%q", got)
	}
}

// Every line of a report has what was found behind a space, however long the name of its
// check.
func TestReportText(t *testing.T) {
	for name, want := range map[string]string{
		"path":                 "ok    path              found\n",
		"CanonicalizeHostname": "ok    CanonicalizeHostname found\n",
	} {
		if got := (&report{}).text(Finding{Check: name, Status: OK, Found: "found"}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
