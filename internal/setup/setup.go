//go:build unix

// Package setup is fdrace --setup: it prints a Host block for ssh_config. It changes
// nothing.
package setup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
	"fdrace/internal/hostkey"
	"fdrace/internal/paths"
	"fdrace/internal/term"
	"fdrace/mptcp"
)

// ErrFlag is the error of a command line with --setup and another flag.
var ErrFlag = errors.New("--setup takes no other flags: add them to the ProxyCommand that it prints")

// CheckLine returns an error if o, a command line with --setup, is not an ALIAS and its
// targets.
func CheckLine(o helper.Options) error {
	words := o.Words
	o.Words, o.Setup = nil, false
	switch {
	case !reflect.DeepEqual(o, helper.Options{}):
		return ErrFlag
	case len(words) < 2:
		return errors.New("--setup: write an ALIAS and at least one TARGET, as in fdrace --setup box box.lan box.example.org")
	case strings.ContainsAny(words[0], "*?!,@\"'%=#\\ \t\r\n") || strings.HasPrefix(words[0], "-"):
		return fmt.Errorf("--setup: %q cannot be an alias: write a plain name, as you will type it after ssh", words[0])
	}
	_, _, err := (&helper.Options{Words: words[1:]}).Plan()
	return err
}

// Run prints the block for o.Words, an alias and its targets, which CheckLine has
// checked.
func Run(o *helper.Options) error {
	targets, err := (&helper.Options{Words: o.Words[1:]}).Targets()
	if err != nil {
		return err
	}
	b := block{alias: o.Words[0], program: program()}
	b.hostKeyAlias = keyName(b.alias, targets)
	for _, word := range o.Words[1:] {
		if strings.Trim(word, "0123456789") == "" {
			b.port = word
		} else {
			b.targets = append(b.targets, word)
		}
	}
	if mptcp.Supported() == nil {
		if all, err := paths.List(); err == nil && networks(all) > 1 {
			b.mptcp = true
			b.commands = commands(all)
		}
	}
	_, err = io.WriteString(os.Stdout, b.String())
	return err
}

// A block has the values for a Host block of ssh_config.
type block struct {
	alias, hostKeyAlias string
	program             string // the name or path by which the shell finds fdrace
	targets             []string
	port                string   // empty for the port that ssh uses by default
	mptcp               bool     // this machine has more than one network
	commands            []string // for root, so that MPTCP uses all of them
}

// String returns the block. Comments say where to put it, and what else to do.
func (b block) String() string {
	var s strings.Builder
	s.WriteString("# Add this to the top of ~/.ssh/config: ssh uses the first value that it finds.\n")
	fmt.Fprintf(&s, "Host %s\n    ProxyCommand %s --host-key %%k ", b.alias, quote(b.program))
	if b.mptcp {
		s.WriteString("--mptcp ")
	}
	s.WriteString("--")
	for _, target := range b.targets {
		s.WriteString(" " + quote(target))
	}
	fmt.Fprintf(&s, " %%p\n    ProxyUseFdpass yes\n    HostKeyAlias %s\n", b.hostKeyAlias)
	if b.port != "" {
		fmt.Fprintf(&s, "    Port %s\n", b.port)
	}
	if b.mptcp {
		s.WriteString("    IPQoS none\n    ServerAliveInterval 15\n    ServerAliveCountMax 20\n")
		s.WriteString("# This machine has two networks. If the server speaks MPTCP, a session survives the\n# loss of one: see fdrace-mptcp(7).\n")
	}
	if len(b.commands) > 0 {
		s.WriteString("# For that, run as root:\n")
	}
	for _, command := range b.commands {
		s.WriteString("#     " + command + "\n")
	}
	return s.String()
}

// quote returns word as it is written in a ProxyCommand: for the shell that runs it, and for
// ssh, which reads % as the start of a token.
func quote(word string) string { return strings.ReplaceAll(term.Quote(word), "%", "%%") }

// program returns "fdrace" if the shell finds this program under that name, and otherwise its
// path.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "fdrace"
	}
	if found, err := exec.LookPath("fdrace"); err == nil {
		if a, err := filepath.EvalSymlinks(found); err == nil && a == self {
			return "fdrace"
		}
	}
	return self
}

// keyName returns the first name for which known_hosts has a key: alias, or the name of a
// target, with its port or without. If there is none it is alias, and ssh asks at the
// first login.
func keyName(alias string, targets []engine.Target) string {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		return alias
	}
	names := []string{alias}
	for _, t := range targets {
		if t.Host != "" && t.Port != 22 {
			names = append(names, fmt.Sprintf("[%s]:%d", t.Host, t.Port))
		}
		names = append(names, t.Host)
	}
	for _, name := range names {
		if keys, err := hostkey.Find(keygen, name, 22, hostkey.Files()); name != "" && err == nil && keys.Known() {
			return name
		}
	}
	return alias
}

// networks returns how many interfaces have a default route.
func networks(all []paths.Path) int {
	seen := map[string]bool{}
	for _, p := range all {
		if p.Gateway {
			seen[p.Interface] = true
		}
	}
	return len(seen)
}

// commands returns what root has to run so that MPTCP uses each network.
func commands(all []paths.Path) (lines []string) {
	if limits, err := mptcp.ReadLimits(); err == nil {
		if command := paths.LimitsCommand(limits, all); command != "" {
			lines = append(lines, command)
		}
	}
	for _, p := range all {
		if command := p.Command(); p.Gateway && command != "" {
			lines = append(lines, strings.Split(command, " && ")...)
		}
	}
	return lines
}
