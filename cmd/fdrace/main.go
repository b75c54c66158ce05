// Command fdrace is a ProxyCommand for ssh: it connects to whichever of
// several targets answers first, passes ssh that socket, and exits.
//
// Its stdout is the wire to ssh. Nothing is written to it but the one message
// that carries the socket; a person reads stderr.
//
// It is gone in milliseconds: the runtime need not start a goroutine that would
// follow a change of the processors it may use.
//
//go:debug updatemaxprocs=0
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"fdrace/fdpass"
	"fdrace/mptcp"
	"fdrace/race"
	"fdrace/race/resolve"

	"github.com/alecthomas/kong"
)

// version is set by the Makefile.
var version = "dev"

// Exit codes. ssh throws them away; scripts do not.
const (
	exitNothingReachable = 1
	exitUsage            = 2
	exitNotPassed        = 3
)

// options is the command line. No field has a default of kong's: its zero value
// is the default, so that a line without flags needs no kong.
type options struct {
	Words []string `arg:"" optional:"" name:"TARGET" help:"A host name or address, with a port of its own or without: box, box:2222, 192.0.2.1, 2001:db8::1, [2001:db8::1]:2222, fe80::1%eth0. The one bare number, first or last, is the port of all others."`

	IPv4 bool   `name:"ipv4" short:"4" xor:"family" help:"Use IPv4 addresses only."`
	IPv6 bool   `name:"ipv6" short:"6" xor:"family" help:"Use IPv6 addresses only."`
	Port string `short:"p" placeholder:"22" help:"The port, where no bare number gives it."`

	Timeout   *span `short:"w" placeholder:"10s" help:"The time for the whole race, lookups included; a bare number is seconds."`
	Delay     *span `placeholder:"250ms" help:"The time between two attempts on one target's addresses, 10ms to 2s."`
	HeadStart *span `placeholder:"0s" help:"How far each target is ahead of the next one listed."`

	MPTCP        bool `name:"mptcp" help:"Connect by Multipath TCP; where that fails or takes longer than --delay, by plain TCP too."`
	RequireMPTCP bool `name:"require-mptcp" help:"Connect by Multipath TCP or not at all."`

	BindAddress    string `short:"b" placeholder:"ADDR" help:"Connect from this local address."`
	Interface      string `short:"B" placeholder:"IF" xor:"interface" help:"Connect through this network interface."`
	EveryInterface bool   `xor:"interface" help:"Try each address from each interface that is up, too, --delay after the normal route."`

	Banner bool `help:"The winner must have said \"SSH-\", not only have accepted: passes over boxes that accept for a server that is not there, for one round trip more."`

	Verbose int         `short:"v" type:"counter" help:"Say what won; twice, say every step."`
	Version versionFlag `short:"V" help:"Show the version."`
}

// A versionFlag is kong.VersionFlag, but not by a variable of kong's: it would
// look for one in every text of every flag, whatever the command line.
type versionFlag bool

func (versionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintf(app.Stdout, "fdrace %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	app.Exit(0)
	return nil
}

// A span is a duration in Go's notation; a bare number is seconds, as in ssh's
// ConnectTimeout.
type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	word := string(text)
	if strings.Trim(word, "0123456789.") == "" {
		word += "s"
	}
	d, err := time.ParseDuration(word)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time such as 10s, 250ms or 10", text)
	}
	*s = span(d)
	return nil
}

func (s *span) or(d time.Duration) time.Duration {
	if s == nil {
		return d
	}
	return time.Duration(*s)
}

// A usageError is a command line that cannot be followed.
type usageError struct{ error }

// A passError is a connection, or a wish for one, that ssh cannot be given.
type passError struct{ error }

func main() {
	err := run(context.Background(), os.Args[1:])
	var usage usageError
	var pass passError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &usage):
		say("fdrace: %v\nfdrace: try \"fdrace --help\"", err)
		os.Exit(exitUsage)
	case errors.As(err, &pass):
		say("fdrace: %v", err)
		os.Exit(exitNotPassed)
	case errors.Is(err, race.ErrHangup):
		os.Exit(exitNothingReachable) // nobody is left to read a word
	}
	say("%s", explain(err))
	os.Exit(exitNothingReachable)
}

// run races and hands over. Signals keep their default actions, which end the
// process at once, and its sockets with it.
func run(ctx context.Context, args []string) error {
	var o options
	if words, ok := onlyWords(args); ok {
		o.Words = words
	} else if err := parse(&o, args); err != nil {
		return usageError{err}
	}
	targets, err := o.targets()
	if err != nil {
		return usageError{err}
	}
	d, err := o.dialer()
	if err != nil {
		return usageError{err}
	}
	// Before the race, not after it: no server shall see a connection that
	// is bound to be thrown away.
	ssh, err := fdpass.Socket(1, 0)
	if err != nil {
		return passError{errors.New(`stdout is no socket to pass a connection over: run fdrace from ssh as ProxyCommand, and set "ProxyUseFdpass yes"; it never relays`)}
	}
	d.Hangup = []int{ssh}

	w, err := d.Dial(ctx, targets...)
	if err != nil {
		return &raceError{err, targets, d.Timeout}
	}
	if err := fdpass.Send(ssh, w.FD); err != nil {
		return passError{fmt.Errorf("connected to %s, but the socket could not be passed: %w", w.Addr, err)}
	}
	if o.Verbose > 0 {
		say("%s", winner(w))
	}
	return nil
}

// onlyWords returns the words of a command line without flags. Such a line, and
// it is the common one, is spared kong: a fifth of the time from exec to exit.
func onlyWords(args []string) (words []string, ok bool) {
	if len(args) > 0 && args[0] == "--" {
		return args[1:], true
	}
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			return nil, false
		}
	}
	return args, true
}

func parse(o *options, args []string) error {
	// People may read the help on a terminal's stdout; ssh must not.
	out := os.Stderr
	if s, err := os.Stdout.Stat(); err == nil && s.Mode()&os.ModeCharDevice != 0 {
		out = os.Stdout
	}
	k, err := kong.New(o,
		kong.Name("fdrace"),
		kong.Description(description),
		kong.Writers(out, os.Stderr),
		kong.Help(help),
	)
	if err != nil {
		return err
	}
	k.Model.HelpFlag.Help = "Show this help."
	_, err = k.Parse(args)
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), "unknown flag"):
		return fmt.Errorf("%w (a host whose name begins with - goes after --)", err)
	case strings.HasPrefix(err.Error(), "unexpected argument"):
		return fmt.Errorf("%w (flags go before the targets)", err)
	}
	return err
}

// help is kong's, but for the first line: flags go before the targets.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	fmt.Fprint(ctx.Stdout, "Usage: fdrace [flags] TARGET... [PORT]\n")
	o.NoAppSummary = true
	return kong.DefaultHelpPrinter(o, ctx)
}

const description = `Race all addresses of all targets, pass ssh the socket that connects first, and exit.

In ssh_config:

    Host box
        ProxyCommand fdrace -- %h %p
        ProxyUseFdpass yes`

// targets reads the words: the one bare number, first or last, is the port.
func (o *options) targets() ([]race.Target, error) {
	words, portWord := o.Words, o.Port
	if portWord == "" {
		portWord = "22"
	}
	if last := len(words) - 1; last >= 0 && bare(words[last]) {
		words, portWord = words[:last], words[last]
	} else if last >= 0 && bare(words[0]) {
		words, portWord = words[1:], words[0]
	}
	port, err := race.ParsePort(portWord)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, errors.New("a target is missing: a host name or address (one that begins with - goes after --)")
	}
	targets := make([]race.Target, len(words))
	for i, w := range words {
		if bare(w) {
			return nil, fmt.Errorf("%q: one bare number is the port, first or last, and there is one more: write a target's own port as host:port", w)
		}
		if targets[i], err = race.ParseTarget(w, port); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

func bare(word string) bool {
	return word != "" && strings.Trim(word, "0123456789") == ""
}

// dialer makes the rules of the race out of the flags.
func (o *options) dialer() (*race.Dialer, error) {
	d := &race.Dialer{
		Timeout:   o.Timeout.or(race.DefaultTimeout),
		Delay:     o.Delay.or(race.DefaultDelay),
		HeadStart: o.HeadStart.or(0),
		Interface: o.Interface,
	}
	switch {
	case d.Timeout == 0:
		return nil, errors.New("--timeout 0: a race needs time, such as 10s")
	case d.Delay < race.MinDelay || d.Delay > race.MaxDelay:
		return nil, fmt.Errorf("--delay %v: write a time from %v to %v", d.Delay, race.MinDelay, race.MaxDelay)
	case o.IPv4:
		d.Family = race.IPv4
	case o.IPv6:
		d.Family = race.IPv6
	}
	if o.BindAddress != "" {
		a, err := netip.ParseAddr(o.BindAddress)
		if err != nil {
			return nil, fmt.Errorf("--bind-address %q: write an address of this machine, such as 192.0.2.7", o.BindAddress)
		}
		d.Bind = a.Unmap()
		if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
			return nil, fmt.Errorf("--bind-address %s: a link-local address needs its interface, as in %s%%eth0", a, a)
		}
		if o.IPv4 && !d.Bind.Is4() || o.IPv6 && d.Bind.Is4() {
			return nil, fmt.Errorf("--bind-address %s is not an %s address", a, d.Family)
		}
	}
	if o.Interface != "" {
		if _, err := net.InterfaceByName(o.Interface); err != nil {
			return nil, fmt.Errorf("--interface %q: there is no such interface (\"ip link\" lists them)", o.Interface)
		}
	}
	if o.EveryInterface {
		var err error
		if d.Interfaces, err = resolve.Interfaces(); err != nil {
			return nil, fmt.Errorf("--every-interface: %w", err)
		}
	}
	if o.Banner {
		d.Banner = "SSH-"
	}
	switch {
	case o.RequireMPTCP:
		d.Transports = []race.Transport{{Name: "mptcp", Socket: mptcp.Socket, Check: confirmMPTCP}}
	case o.MPTCP:
		d.Transports = []race.Transport{{Name: "mptcp", Socket: mptcp.Socket}, {}}
	}
	switch {
	case o.Verbose > 1:
		d.Report = func(e race.Event) { say("%s", event(e)) }
	case o.EveryInterface:
		d.Report = warnUnbound()
	}
	return d, nil
}

var errNoMPTCP = errors.New("server does not speak MPTCP")

func confirmMPTCP(fd int) error {
	yes, err := mptcp.InUse(fd)
	if err == nil && !yes {
		err = errNoMPTCP
	}
	return err
}
