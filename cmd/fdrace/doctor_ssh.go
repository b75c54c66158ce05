package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fdrace/internal/prestart"
)

// checkOpenSSH asks the ssh in PATH for its version, and whether it knows
// ProxyUseFdpass: since OpenSSH 6.5 (2014), where its builder has not left it
// out.
func checkOpenSSH() finding {
	f := finding{Check: "OpenSSH", Status: fail, Remedy: installSSH(), Where: inShell}
	if f.Remedy == "" {
		f.Remedy, f.Where = "install OpenSSH's client", byHand
	}
	path, found := find("ssh")
	if !found {
		f.Found = "no ssh in PATH"
		return f
	}
	s, err := run(path, "-V")
	if err != nil {
		f.Found = err.Error()
		return f
	}
	version, isOpenSSH := parseVersion(s.err + s.out)
	if !isOpenSSH {
		f.Found = fmt.Sprintf("%s is another ssh: it calls itself %q", path, s.firstLine())
		return f
	}
	s, err = run(path, "-o", "ProxyUseFdpass=yes", "-V")
	if err != nil || s.ending() != "" {
		f.Found = fmt.Sprintf("%s is %s, without ProxyUseFdpass (%s): that takes 6.5", path, version, s.firstLine())
		return f
	}
	return finding{Check: f.Check, Status: ok, Found: version + " in " + path + ", which has ProxyUseFdpass"}
}

// parseVersion finds the version in what ssh -V says, as in "OpenSSH_9.2p1
// Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024".
func parseVersion(text string) (version string, ok bool) {
	_, rest, ok := strings.Cut(text, "OpenSSH_")
	if !ok {
		return "", false
	}
	version = rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' || r == ',' }); end >= 0 {
		version = rest[:end]
	}
	major, _, _ := strings.Cut(version, ".")
	_, err := strconv.Atoi(major)
	return version, err == nil
}

// installSSH is the command that brings OpenSSH's client, if it is known.
func installSSH() string {
	for _, manager := range [][2]string{
		{"apt-get", "install openssh-client"},
		{"dnf", "install openssh-clients"},
		{"zypper", "install openssh-clients"},
		{"apk", "add openssh-client"},
		{"pacman", "-S openssh"},
		{"brew", "install openssh"},
	} {
		if _, found := find(manager[0]); found {
			return sudo(manager[0] + " " + manager[1])
		}
	}
	return ""
}

// checkShell runs the shell that ssh will use for a ProxyCommand, as ssh does.
// What a shell prints before it runs the command, ssh reads as its answer.
func checkShell() finding {
	f := finding{Check: "shell", Status: fail, Remedy: "export SHELL=/bin/sh", Where: inShell}
	shell, set := sshShell()
	if shell == "" {
		f.Found = "$SHELL is set, but empty: ssh cannot run a ProxyCommand by it"
		return f
	}
	if err := executable(shell); err != nil {
		f.Found = fmt.Sprintf("$SHELL is %q, by which ssh cannot run a ProxyCommand: %v", shell, errors.Unwrap(err))
		return f
	}
	if !filepath.IsAbs(shell) {
		f.Found = fmt.Sprintf("$SHELL is %q: ssh finds it in this directory only", shell)
		return f
	}
	s, err := runOnWire(os.Environ(), shell, "-c", "exec true")
	switch {
	case err != nil:
		f.Found = err.Error()
		return f
	case s.out != "":
		f.Found = fmt.Sprintf("%s prints %s when it starts (%s): ssh takes it for fdrace's answer", shell, shorten(s.out), startFile(shell))
		f.Remedy = quietShell(shell)
		return f
	case s.ending() != "":
		f.Found = fmt.Sprintf(`%s -c "exec true" %s: %s`, shell, s.ending(), s.firstLine())
		return f
	}
	// Bash takes a socket on stdin for rshd's, and reads ~/.bashrc, if it is
	// the first shell: SHLVL tells.
	first := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SHLVL=") })
	if s, err := runOnWire(first, shell, "-c", "exec true"); err == nil && s.out != "" {
		f.Status = warn
		f.Found = fmt.Sprintf("%s prints %s when no other shell has run before (%s): ssh fails when it is started from a desktop, an editor or cron", shell, shorten(s.out), startFile(shell))
		f.Remedy = quietShell(shell)
		return f
	}
	f = finding{Check: f.Check, Status: ok, Found: shell + " runs a command without a word of its own"}
	if !set {
		f.Found += " ($SHELL is not set)"
	}
	return f
}

// sshShell is what ssh execs: $SHELL as it is, also if it is empty, which of
// all ProxyCommands only those with ProxyUseFdpass do not survive.
func sshShell() (shell string, set bool) {
	if shell, set = os.LookupEnv("SHELL"); set {
		return shell, true
	}
	return "/bin/sh", false
}

// startFile is where to look for what a shell does before a command.
func startFile(shell string) string {
	switch filepath.Base(shell) {
	case "bash":
		if env := os.Getenv("BASH_ENV"); env != "" {
			return "look in " + env + ", which is $BASH_ENV, and ~/.bashrc"
		}
		return "look in ~/.bashrc"
	case "zsh":
		return "look in ~/.zshenv"
	case "fish":
		return "look in ~/.config/fish/config.fish"
	case "csh", "tcsh":
		return "look in ~/.cshrc"
	}
	return "look in its start-up files"
}

// quietShell is the command after which ssh's shell prints nothing of its own.
func quietShell(shell string) string {
	if filepath.Base(shell) == "bash" && os.Getenv("BASH_ENV") == "" {
		return `sed -i '1i case $- in *i*) ;; *) return ;; esac' ~/.bashrc`
	}
	return "export SHELL=/bin/sh"
}

// shorten quotes the beginning of text.
func shorten(text string) string {
	const most = 24
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// sshConfig is what ssh says of a host, by ssh -G (since OpenSSH 6.8): the
// value of each keyword, in lower case, as ssh will use it, but with the tokens
// of a ProxyCommand not yet replaced.
type sshConfig map[string]string

// parseConfig reads what ssh -G prints: a keyword, a space and its value in
// each line. Of a keyword that is there more than once it takes the first.
func parseConfig(text string) sshConfig {
	c := sshConfig{}
	for line := range strings.Lines(text) {
		keyword, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		keyword = strings.ToLower(keyword)
		if _, there := c[keyword]; keyword != "" && !there {
			c[keyword] = value
		}
	}
	return c
}

// is says whether the keyword's value is word, in any case.
func (c sshConfig) is(keyword, word string) bool { return strings.EqualFold(c[keyword], word) }

// unset says whether the keyword has no value, or "none".
func (c sshConfig) unset(keyword string) bool { return c[keyword] == "" || c.is(keyword, "none") }

// readConfig asks ssh for its configuration of alias, from file if that is not
// empty.
func readConfig(alias, file string) (sshConfig, finding) {
	f := finding{Check: "ssh_config", Status: fail, Where: byHand}
	path, _ := find("ssh")
	args := []string{path, "-G"}
	if file != "" {
		args = append(args, "-F", file)
	}
	s, err := run(append(args, "--", alias)...)
	asked := strings.Join(append([]string{"ssh"}, args[1:]...), " ") + " " + alias
	switch {
	case err != nil:
		f.Found = err.Error()
	case s.late:
		f.Found = fmt.Sprintf("%s %s", asked, s.ending())
		f.Remedy = `look for a "Match exec" whose command waits`
	case s.code != 0 && strings.Contains(s.err, "unknown key %"):
		f.Found = fmt.Sprintf("%s: %s", asked, s.firstLine())
		f.Remedy = "write each % that stands for itself twice, as in HostName fe80::1%%eth0"
	case s.code != 0:
		f.Found = fmt.Sprintf("%s: %s", asked, s.firstLine())
		f.Remedy = "mend that line, or give another file by -F"
	default:
		c := parseConfig(s.out)
		return c, finding{Check: f.Check, Status: ok, Found: fmt.Sprintf("%s: it means %s, port %s", asked, c["hostname"], c["port"])}
	}
	return nil, f
}

// checkPrestart tells whether this program begins before Go's runtime. Without that
// it works, and takes a millisecond longer.
func checkPrestart() finding {
	f := finding{Check: "prestart", Status: ok, Found: "on: a common race is over before Go's runtime would have started"}
	if state := prestart.State(); state != "on" {
		f.Found = state
	}
	return f
}
