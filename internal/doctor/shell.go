//go:build unix

package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// checkShell runs the shell that ssh will use for a ProxyCommand, as ssh does. If the shell
// prints anything before it runs the command, ssh reads that as fdrace's answer.
func checkShell() Finding {
	f := Finding{Check: "shell", Status: Fail, Remedy: "export SHELL=/bin/sh", Where: InShell}
	shell, set := sshShell()
	if shell == "" {
		f.Found = "$SHELL is set but empty: ssh cannot run a ProxyCommand"
		return f
	}
	if err := executable(shell); err != nil {
		f.Found = fmt.Sprintf("$SHELL is %q, and ssh cannot run it: %v", shell, errors.Unwrap(err))
		return f
	}
	if !filepath.IsAbs(shell) {
		f.Found = fmt.Sprintf("$SHELL is %q: ssh finds it only in this directory", shell)
		return f
	}
	s, err := runOnWire(os.Environ(), shell, "-c", "exec true")
	switch {
	case err != nil:
		f.Found = err.Error()
		return f
	case s.out != "":
		f.Found = fmt.Sprintf("%s prints %s when it starts (%s): ssh reads that as fdrace's answer", shell, shorten(s.out), startFile(shell))
		f.Remedy = quietShell(shell)
		return f
	case s.ending() != "":
		f.Found = fmt.Sprintf(`%s -c "exec true" %s: %s`, shell, s.ending(), s.firstLine())
		return f
	}
	// If stdin is a socket and SHLVL is not set, bash assumes that rshd has started
	// it, and reads ~/.bashrc.
	first := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SHLVL=") })
	if s, err := runOnWire(first, shell, "-c", "exec true"); err == nil && s.out != "" {
		f.Status = Warn
		f.Found = fmt.Sprintf("%s prints %s when it is the first shell (%s): ssh fails when started from a desktop, an editor or cron", shell, shorten(s.out), startFile(shell))
		f.Remedy = quietShell(shell)
		return f
	}
	f = Finding{Check: f.Check, Status: OK, Found: shell + " starts without printing anything"}
	if !set {
		f.Found += " ($SHELL is not set)"
	}
	return f
}

// sshShell returns the shell that ssh runs: $SHELL, or /bin/sh if that is not set. With
// ProxyUseFdpass, ssh uses $SHELL even if it is empty, and fails.
func sshShell() (shell string, set bool) {
	if shell, set = os.LookupEnv("SHELL"); set {
		return shell, true
	}
	return "/bin/sh", false
}

// startFile says which file a shell reads before it runs a command.
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

// quietShell returns the command that keeps ssh's shell from printing anything of its own.
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
