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
	"strings"

	"fdrace/internal/doctor"
	"fdrace/internal/explain"
	"fdrace/internal/helper"
	"fdrace/internal/prestart"

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
	fmt.Fprintf(app.Stdout, "fdrace %s (%s, %s/%s)\nprestart: %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, prestart.State())
	app.Exit(0)
	return nil
}

// parse reads a command line by kong. Options go before its own.
func parse(o *helper.Options, args []string, options ...kong.Option) error {
	line := struct {
		*helper.Options
		Version versionFlag `short:"V"`
	}{Options: o}
	// People may read the help on a terminal's stdout; ssh must not.
	out := os.Stderr
	if s, err := os.Stdout.Stat(); err == nil && s.Mode()&os.ModeCharDevice != 0 {
		out = os.Stdout
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
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), "unknown flag"):
		return fmt.Errorf("%w (a host whose name begins with - goes after --)", err)
	case strings.HasPrefix(err.Error(), "unexpected argument"):
		return fmt.Errorf("%w (flags go before the targets)", err)
	}
	if flag, got, ok := strings.Cut(err.Error(), ": expected value value but got "); ok {
		got, _, _ = strings.Cut(got, " (") // a way to give it all the same, which would be refused
		return fmt.Errorf("%s: a value is missing before %s", flag, got)
	}
	return err
}

// texts are the help of every flag. They are not in the tags of helper.Options,
// because kong would take them apart on every command line.
func texts() map[string]string {
	return map[string]string{
		"help":            "Show this help.",
		"names-only":      "Accept only host names and IP addresses as targets: for Host *, where %h may come from a URL.",
		"ipv4":            "Use IPv4 addresses only.",
		"ipv6":            "Use IPv6 addresses only.",
		"port":            "The port, where no bare number gives it.",
		"timeout":         "The time for the whole race, lookups included; a bare number is seconds.",
		"delay":           "The time between two attempts on one target's addresses, 10ms to 2s.",
		"head-start":      "How far each target is ahead of the next one listed.",
		"mptcp":           "Connect by Multipath TCP; where that fails or takes longer than --delay, by plain TCP too.",
		"require-mptcp":   "Connect by Multipath TCP or not at all.",
		"bind-address":    "Connect from this local address.",
		"interface":       "Connect through this network interface.",
		"every-interface": "Try each address from each interface that is up, too, --delay after the normal route.",
		"banner":          `Only accept a connection once the server has sent "SSH-": passes over boxes that accept for a server that is not there, for one round trip more.`,
		"no-retry":        "Open one connection to each address: for firewalls that count connections (ufw limit), where silent addresses would be tried again after --delay, and then more and more rarely.",
		"proxy":           "Also ask this proxy for the first target when no target has answered after --delay: socks5://[USER:PASSWORD@]HOST[:1080], socks4a://HOST[:1080] or http://[USER:PASSWORD@]HOST[:3128]. May be given more than once.",
		"proxy-auth":      "A file with the line USER:PASSWORD for proxies; nobody else may be able to read it.",
		"no-direct":       "Connect by --proxy, --jump and --or only, and ask no name server for the target.",
		"jump":            "Where no target answers within --fallback, connect to the first target through this jump host, by ssh -W: [USER@]HOST[:PORT], several with commas; HOST=TARGET[:PORT] leads elsewhere. May be given more than once.",
		"or":              "Where no target answers within --fallback, run this other ProxyCommand. May be given more than once.",
		"fallback":        "How long after the last target --jump and --or start; they start at once when all targets have failed.",
		"wait":            "When nothing answers, refuses or resolves, start over twice a second for this time, names included; -w then bounds one round. With --banner, a server that accepts and is not ready counts as absent.",
		"wake":            "Send Wake-on-LAN packets to each target that is a MAC address, or to --wake=MAC, at the start and every second; implies --wait 60s. May be given more than once.",
		"host-key":        "Let an address win only if its server has a host key that known_hosts has for NAME or [NAME]:PORT: %k with HostKeyAlias, %h without. Checks addresses that may be another machine elsewhere: private, shared (100.64/10), link-local, .local and MAC.",
		"known-hosts":     "With --host-key: the known_hosts file; the default is ssh's own files.",
		"host-key-always": "With --host-key: check every address.",
		"verbose":         "Say what won; twice, say every step.",
		"log":             "Append every step, what won and each error to this file; so does the environment variable FDRACE_LOG.",
		"explain":         "Race to the end, show what became of each candidate, and pass nothing: for people.",
		"doctor":          "Race nothing, but check this machine, and for ssh ALIAS its ssh_config and the way there, and say what to do. The only word is the ALIAS.",
		"ssh-config":      "With --doctor and --jump: the ssh_config, as ssh's own -F.",
		"json":            "With --explain: one JSON object a line for each event; with --doctor, for each check.",
		"version":         "Show the version, and whether a race begins before Go's runtime.",
	}
}

// help is kong's, but for the first line: flags go before the targets.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	fmt.Fprint(ctx.Stdout, "Usage: fdrace [flags] TARGET... [PORT]\n")
	o.NoAppSummary = true
	ctx.Model.Positional[0].Help = "A host name or address, with a port of its own or without: box, box:2222, 192.0.2.1, 2001:db8::1, [2001:db8::1]:2222, fe80::1%eth0, fe80::1 (every link); a MAC, 00:00:5e:00:53:01; box.local (mDNS); _ssh._tcp.example.org (SRV); unix:/path; vsock:CID[:PORT]; vsock-mux/PATH; machine/NAME; .host. The one bare number, first or last, is the port of all others."
	texts := texts()
	for _, flag := range ctx.Model.Flags {
		flag.Help = texts[flag.Name]
	}
	return kong.DefaultHelpPrinter(o, ctx)
}

const description = `Race all addresses of all targets, pass ssh the socket that connects first, and exit.

In ssh_config:

    Host box
        ProxyCommand fdrace -- %h %p
        ProxyUseFdpass yes`
