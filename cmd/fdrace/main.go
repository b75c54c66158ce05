//go:build unix

// Command fdrace is a ProxyCommand for ssh: it connects to whichever of
// several targets answers first, passes ssh that socket, and exits.
//
// Its stdout is the socket to ssh. Nothing is written to it but the one message that
// carries the connection; messages for people go to stderr.
//
// # The order in which it starts
//
// ssh waits until this process has exited, so a race is finished as early as possible:
//
//  1. The entry of package prestart, before Go's runtime. It races IP addresses and
//     names if the command line is simple, and hands unfinished races over to step 4.
//  2. The runtime, and then the package initializers, in the order of import paths
//     where imports do not decide. No result depends on that order. stackgrow imports
//     nothing, so that it comes first, and the others run on a stack that is large
//     enough. No initializer runs the program, and TestStart lists all that there are.
//  3. helper.Main, whose fast parser reads the common command lines.
//  4. The race; or, for other command lines, kong and what they ask for.
//
// The process ends within milliseconds. So two features of the runtime are off: to follow
// changes of the number of processors, and to label memory mappings in /proc.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"fdrace/internal/doctor"
	"fdrace/internal/explain"
	"fdrace/internal/helper"
	"fdrace/internal/prestart"
	"fdrace/internal/setup"

	"github.com/alecthomas/kong"
)

// version is set by the Makefile.
var version = "dev"

func main() { helper.Main(readArgs) }

// readArgs reads a command line that FastParse does not. The function that it returns, if
// any, is run instead of a race for ssh.
func readArgs(o *helper.Options, args []string) (func(*helper.Options) error, error) {
	if err := parse(o, args); err != nil {
		return nil, err
	}
	switch {
	case o.Doctor:
		return runDoctor, doctor.CheckLine(*o)
	case o.Setup:
		return setup.Run, setup.CheckLine(*o)
	case o.SSHConfig != nil && len(o.Jump) == 0:
		return nil, errors.New("--ssh-config is for --doctor and --jump: for a race ssh puts what fdrace needs into the ProxyCommand, by %h and %p")
	case o.Explain:
		return explain.Run, nil
	case o.JSON:
		return nil, errors.New("--json is for --explain and --doctor: add one of them")
	}
	return nil, nil
}

func runDoctor(o *helper.Options) error {
	return doctor.Run(o, func(o *helper.Options, args []string) (shows bool, err error) {
		err = parse(o, args, kong.Exit(func(int) { shows = true }), kong.Writers(io.Discard, io.Discard))
		return shows, err
	})
}

// A wakeMapper reads --wake and --wake=MAC.
type wakeMapper struct{}

func (wakeMapper) IsBool() bool { return true } // its value, if any, follows an =

func (wakeMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	mac := ""
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		mac = ctx.Scan.Pop().String()
	}
	w := target.Addr().Interface().(*helper.WakeFlag)
	*w = append(*w, mac)
	return nil
}

// A versionFlag is like kong.VersionFlag, but does not take the version from a variable of
// kong: kong would look for variables in all texts of all flags, for every command line.
type versionFlag bool

func (versionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintf(app.Stdout, "fdrace %s (%s, %s/%s)\nfast start: %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, prestart.State())
	app.Exit(0)
	return nil
}

// parse reads a command line with kong. options can override its own options.
func parse(o *helper.Options, args []string, options ...kong.Option) error {
	line := struct {
		*helper.Options
		Version versionFlag `short:"V"`
	}{Options: o}
	// If stdout is a socket, ssh reads from it, and any text would confuse it.
	out := os.Stdout
	if s, err := os.Stdout.Stat(); err != nil || s.Mode()&os.ModeSocket != 0 {
		out = os.Stderr
	}
	k, err := kong.New(&line, append([]kong.Option{
		kong.Name("fdrace"),
		kong.Description(description),
		kong.Writers(out, os.Stderr),
		kong.Help(help),
		kong.TypeMapper(reflect.TypeFor[helper.WakeFlag](), wakeMapper{}),
	}, options...)...)
	if err != nil {
		return err
	}
	_, err = k.Parse(args)
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "unknown flag"):
		// Kong finds every short flag similar to every other: drop a list of more than three.
		if text, _, _ := strings.Cut(text, ", did you mean one of "); strings.Count(err.Error(), `"`) > 2*3 {
			err = errors.New(text)
		}
		return fmt.Errorf("%w (a host whose name begins with - goes after --)", err)
	case strings.HasPrefix(text, "unexpected argument") && slices.Contains(args, "--setup"):
		return setup.ErrFlag
	case strings.HasPrefix(text, "unexpected argument"):
		return fmt.Errorf("%w (flags and -- go before the targets)", err)
	}
	flag, rest, _ := strings.Cut(text, ": expected ")
	_, got, ok := strings.Cut(rest, " value but got ")
	switch got, _, _ = strings.Cut(got, " ("); { // without kong's advice to write --flag="-x", which would be rejected, too
	case !ok:
		return err
	case got == `"EOL"`:
		return fmt.Errorf("%s: a value is missing", flag)
	}
	return fmt.Errorf("%s: a value is missing before %s", flag, got)
}
