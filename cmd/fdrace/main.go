//go:build unix

// Command fdrace is a ProxyCommand for ssh: it connects to whichever of
// several targets answers first, passes ssh that socket, and exits.
//
// Its stdout is the wire to ssh. Nothing is written to it but the one message
// that carries the socket; a person reads stderr.
//
// # The order in which it starts
//
// ssh waits for every step, and so the first that can finish a race does:
//
//  1. The entry of package prestart, before Go's runtime: races addresses and names
//     without flags that need more. What it has started and not finished, the race
//     of step 4 takes over.
//  2. The runtime, and then the package initializers, in the order of import paths
//     where imports do not decide. Nothing depends on that order for its result;
//     stackgrow imports nothing, so that it comes first and all others save a fault.
//     No initializer runs the program, and TestStart lists all that there are.
//  3. helper.Main, whose fast parser reads the common command lines.
//  4. The race; or for other lines kong, and what they ask for.
//
// The process ends within milliseconds: the runtime need not start a goroutine that
// follows a change of the processors it may use, nor name its memory for observers.
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

// readArgs reads a command line that helper leaves to the flag parser. What it returns,
// if anything, is done instead of a race for ssh.
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
		return nil, errors.New("--json is a form of --explain, and of --doctor: write both")
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

func (wakeMapper) IsBool() bool { return true } // no value follows it but by =

func (wakeMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	mac := ""
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		mac = ctx.Scan.Pop().String()
	}
	w := target.Addr().Interface().(*helper.WakeFlag)
	*w = append(*w, mac)
	return nil
}

// A versionFlag is kong.VersionFlag, but not by a variable of kong's: it would
// look for one in every text of every flag, whatever the command line.
type versionFlag bool

func (versionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintf(app.Stdout, "fdrace %s (%s, %s/%s)\nfast start: %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, prestart.State())
	app.Exit(0)
	return nil
}

// parse reads a command line by kong. Options go before its own.
func parse(o *helper.Options, args []string, options ...kong.Option) error {
	line := struct {
		*helper.Options
		Version versionFlag `short:"V"`
	}{Options: o}
	// A socket on stdout is ssh's, which takes every byte for its own.
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
		if text, _, _ := strings.Cut(text, ", did you mean one of "); strings.Count(err.Error(), `"`) > 2*3 {
			err = errors.New(text) // every short flag is like every other
		}
		return fmt.Errorf("%w (a host whose name begins with - goes after --)", err)
	case strings.HasPrefix(text, "unexpected argument") && slices.Contains(args, "--setup"):
		return setup.ErrFlag
	case strings.HasPrefix(text, "unexpected argument"):
		return fmt.Errorf("%w (flags and -- go before the targets)", err)
	}
	flag, rest, _ := strings.Cut(text, ": expected ")
	_, got, ok := strings.Cut(rest, " value but got ")
	switch got, _, _ = strings.Cut(got, " ("); { // a way to give it all the same, which would be refused
	case !ok:
		return err
	case got == `"EOL"`:
		return fmt.Errorf("%s: a value is missing", flag)
	}
	return fmt.Errorf("%s: a value is missing before %s", flag, got)
}
