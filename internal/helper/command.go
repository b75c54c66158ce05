//go:build unix

package helper

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"fdrace/internal/engine"

	"golang.org/x/sys/unix"
)

// jumpEnv is the environment variable with what the ancestors of this process have started
// by --jump and --or. A block for "Host *" also applies to the jump host itself: there the
// same jump host or command must not be started again.
const jumpEnv = "FDRACE_JUMP"

// addCommands makes d start what --jump and --or ask for, in this order.
func (o *Options) addCommands(d *engine.Dialer, targets []engine.Target) error {
	flag := "--or"
	if len(o.Jump) > 0 {
		flag = "--jump"
	}
	switch {
	case len(o.Jump)+len(o.Or) == 0 && o.Fallback != nil:
		return errors.New("--fallback is for --jump and --or: add one of them")
	case len(o.Jump)+len(o.Or) == 0:
		return nil
	case o.RequireMPTCP:
		return fmt.Errorf("--require-mptcp: what %s connects is not MPTCP: write --mptcp, which is for the targets alone", flag)
	case o.BindAddress != nil:
		return fmt.Errorf("--bind-address does not reach the program that %s runs: set it there, as ssh's BindAddress", flag)
	case o.Interface != nil:
		return fmt.Errorf("--interface does not reach the program that %s runs: set it there, as ssh's BindInterface", flag)
	}
	d.Fallback = o.Fallback.or(engine.DefaultFallback)
	if d.Fallback == 0 {
		d.Fallback = 1 // in engine.Dialer, 0 means the default
	}
	running := strings.Fields(os.Getenv(jumpEnv))
	for _, word := range o.Jump {
		j, err := parseJump(word, targets)
		if err != nil {
			return fmt.Errorf("--jump %s: %w", word, err)
		}
		// ssh has %h in lower case. Another port of the target is another server.
		samePort := j.port == "" || j.port == strconv.Itoa(int(j.target.Port))
		toItself := !j.own && samePort && strings.EqualFold(j.host, j.target.Host)
		if toItself || slices.Contains(running, j.mark()) {
			continue
		}
		path, err := lookPath("ssh")
		if err != nil {
			return fmt.Errorf("--jump: %w", err)
		}
		d.Commands = append(d.Commands, engine.Command{
			Name:   "--jump " + j.hops,
			Target: j.target,
			Start:  starter(path, j.args(o.SSHConfig), append(running, j.mark())),
		})
	}
	for _, text := range o.Or {
		if strings.TrimSpace(text) == "" || strings.ContainsRune(text, 0) {
			return errors.New("--or: a command is missing")
		}
		hash := fnv.New64a()
		hash.Write([]byte(text))
		mark := "or:" + strconv.FormatUint(hash.Sum64(), 16)
		if slices.Contains(running, mark) {
			continue
		}
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		d.Commands = append(d.Commands, engine.Command{
			Name:   orName(text),
			Target: targets[0],
			Start:  starter(shell, []string{shell, "-c", "exec " + text}, append(running, mark)), // as ssh does it
		})
	}
	return nil
}

// orName returns the name of a command of --or: its program only, as the rest may have
// secrets.
func orName(text string) string {
	program := strings.Fields(text)[0]
	if strings.ContainsAny(program, "='\"$(") {
		return "--or"
	}
	return "--or " + program
}

// A jump is a jump host, and the target that it connects to.
type jump struct {
	hops             string // as in ssh -J
	before           string // all hops but the last
	user, host, port string // of the last hop
	target           engine.Target
	own              bool // target is not one of the race's
}

// parseJump reads [USER@]HOST[:PORT][,...][=TARGET[:PORT]].
func parseJump(word string, targets []engine.Target) (j jump, err error) {
	errJump := errors.New("write [USER@]HOST[:PORT], as for ssh -J, and =TARGET[:PORT] for another target")
	if strings.Contains(word, "://") {
		return j, errJump
	}
	hops, target, own := strings.Cut(word, "=")
	if j.own = own; own {
		if j.target, err = engine.ParseTarget(target, 22); err != nil {
			return j, err
		}
		if !isNameOrAddress(j.target) {
			return j, fmt.Errorf("%q: a jump host is asked for a host name or an address", target)
		}
	} else if i := slices.IndexFunc(targets, isNameOrAddress); i >= 0 {
		j.target = targets[i]
	} else {
		return j, fmt.Errorf("a jump host is asked for a host name or an address, and no target is one: write %s=TARGET", hops)
	}
	j.hops = hops
	last := hops
	if i := strings.LastIndexByte(hops, ','); i >= 0 {
		j.before, last = hops[:i], hops[i+1:]
	}
	if i := strings.LastIndexByte(last, '@'); i >= 0 {
		j.user, last = last[:i], last[i+1:]
	}
	j.host = last
	if host, port, err := net.SplitHostPort(last); err == nil {
		j.host, j.port = host, port
		if _, err := engine.ParsePort(port); err != nil {
			return j, err
		}
	} else {
		j.host = strings.TrimSuffix(strings.TrimPrefix(last, "["), "]")
	}
	bad := func(text string) bool {
		return strings.HasPrefix(text, "-") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
	}
	if j.host == "" || bad(j.host) || bad(j.user) || bad(j.before) {
		return j, errJump
	}
	return j, nil
}

// mark returns the word for j in jumpEnv.
func (j jump) mark() string { return "jump:" + strings.ToLower(j.host) }

// args returns the command line of the ssh that ssh -J would run.
func (j jump) args(config *string) []string {
	args := []string{"ssh"}
	if config != nil {
		args = append(args, "-F", *config)
	}
	if j.user != "" {
		args = append(args, "-l", j.user)
	}
	if j.port != "" {
		args = append(args, "-p", j.port)
	}
	if j.before != "" {
		args = append(args, "-J", j.before)
	}
	return append(args, "-W", fmt.Sprintf("[%s]:%d", j.target.Host, j.target.Port), "--", j.host)
}

// lookPath finds a program as execvp(3) does.
func lookPath(name string) (string, error) {
	for dir := range strings.SplitSeq(os.Getenv("PATH"), ":") {
		if path := dir + "/" + name; dir != "" && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %s in PATH", name)
}

// starter returns a function that starts a program with our stderr, process group and
// terminal. As the program may ask for a passphrase there, the status line is erased. It
// does not use package os/exec, whose initialization would delay every race.
func starter(path string, args, running []string) func(stdio int) (int, error) {
	return func(stdio int) (int, error) {
		statusLine.erase()
		env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, jumpEnv+"=") })
		pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
			Env:   append(env, jumpEnv+"="+strings.Join(running, " ")),
			Files: []uintptr{uintptr(stdio), uintptr(stdio), 2},
		})
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		return pid, nil
	}
}
