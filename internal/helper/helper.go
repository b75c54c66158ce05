// Package helper is fdrace as ssh runs it: it races the targets of a command
// line, passes ssh the winner's socket, and exits. Package main adds the flags.
package helper

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"fdrace/fdpass"
	"fdrace/internal/engine"
	"fdrace/internal/prestart"
	"fdrace/internal/resolve"
	"fdrace/mptcp"
)

// Exit codes. ssh throws them away; scripts do not.
const (
	exitNothingReachable = 1
	exitUsage            = 2
	exitNotPassed        = 3
)

// Options is the command line, tagged for kong. The zero value of a field is its
// default: a common line needs no kong (see FastParse). The texts of the help are
// where the help is.
type Options struct {
	Words []string `arg:"" optional:"" name:"TARGET"`

	NamesOnly bool

	IPv4 bool    `name:"ipv4" short:"4" xor:"family"`
	IPv6 bool    `name:"ipv6" short:"6" xor:"family"`
	Port *string `short:"p" placeholder:"22"`

	Timeout   *span `short:"w" placeholder:"10s"`
	Delay     *span `placeholder:"250ms"`
	HeadStart *span `placeholder:"0s"`

	MPTCP        bool `name:"mptcp"`
	RequireMPTCP bool `name:"require-mptcp"`

	BindAddress    *string `short:"b" placeholder:"ADDR"`
	Interface      *string `short:"B" placeholder:"IF" xor:"interface"`
	EveryInterface bool    `xor:"interface"`

	Banner  bool
	NoRetry bool

	Proxy     []string `sep:"none" placeholder:"URL"`
	ProxyAuth *string  `placeholder:"FILE"`
	NoDirect  bool

	Jump     []string `sep:"none" placeholder:"HOST"`
	Or       []string `sep:"none" placeholder:"COMMAND"`
	Fallback *span    `placeholder:"1s"`

	Wait *span    `placeholder:"TIME"`
	Wake WakeFlag `sep:"none"`

	HostKey       *string `placeholder:"NAME"`
	KnownHosts    *string `placeholder:"FILE"`
	HostKeyAlways bool

	Verbose int    `short:"v" type:"counter"`
	Log     string `placeholder:"FILE"`

	// What is no race for ssh, and package main's to do.
	Explain   bool
	Doctor    bool
	SSHConfig *string `short:"F" placeholder:"FILE"`
	JSON      bool    `name:"json"`

	waker *waker // of Wake, see addWait
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

// An Exit is a code to end with, without a word.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// A passError is a connection, or a wish for one, that ssh cannot be given.
type passError struct{ error }

// Main does what the command line says, and exits. fastParse reads a common line; the
// others are for readArgs, which may return something to do in place of a race.
func Main(readArgs func(*Options, []string) (instead func(*Options) error, err error)) {
	if o, ok := FastParse(os.Args[1:]); ok {
		exit(run(context.Background(), o))
	}
	var o Options
	do, err := readArgs(&o, os.Args[1:])
	switch {
	case err != nil:
		if o.Log == "" {
			o.Log = logOf(os.Args[1:])
		}
		o.openLog()
		exit(usageError{err})
	case do != nil:
		exit(do(&o))
	}
	exit(run(context.Background(), &o))
}

// exit ends the process with a word on err, and with its code.
func exit(err error) {
	statusLine.erase()
	var usage usageError
	var pass passError
	var code Exit
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &code):
		os.Exit(int(code))
	case errors.As(err, &usage):
		report(exitUsage, "fdrace: "+err.Error(), `fdrace: try "fdrace --help"`)
	case errors.As(err, &pass):
		report(exitNotPassed, "fdrace: "+err.Error())
	case errors.Is(err, engine.ErrHangup):
		logLine(engine.ErrHangup.Error())
		os.Exit(exitNotPassed) // nobody is left to read a word
	}
	report(exitNothingReachable, lossLines(err)...)
}

// report ends the process with words for people.
func report(code int, lines ...string) {
	logLine(lines...)
	printErr(lines...)
	os.Exit(code)
}

// Race returns what the command line says of a race.
func (o *Options) Race() ([]engine.Target, *engine.Dialer, error) {
	o.openLog()
	targets, d, err := o.Plan()
	if err != nil {
		return nil, nil, usageError{err}
	}
	return targets, d, nil
}

// run races and hands over. Signals keep their default actions, which end the
// process at once, and its sockets with it.
func run(ctx context.Context, o *Options) error {
	targets, d, err := o.Race()
	if err != nil {
		return err
	}
	// Before the race, not after it: no server shall see a connection that is bound to
	// be thrown away.
	ssh, err := findSSH()
	if err != nil {
		return passError{err}
	}
	d.Hangup = []int{ssh}
	if o.waker != nil {
		o.waker.start(d)
	}
	var families FamilyWatch
	if o.Verbose > 0 {
		families.attach(d)
	}
	w, err := d.Continue(ctx, started(), targets...)
	statusLine.erase()
	if err != nil {
		return newRaceError(ctx, err, targets, d)
	}
	if w.Transport == "mptcp" {
		_ = mptcp.GrowReceiveBuffer(w.FD) // without it the session works, too
	}
	if err := fdpass.Send(ssh, w.FD); err != nil {
		return passError{fmt.Errorf("connected to %s, but the socket could not be passed: %w", w.Addr, err)}
	}
	if o.Verbose > 0 || logFile >= 0 {
		words := winnerLine(w)
		logLine(words)
		if o.Verbose > 0 {
			printErr(words)
			if silent := families.Silent(w, d.Delay); silent != "" {
				printErr("fdrace: " + silent)
			}
		}
	}
	printPaths(o, w)
	return nil
}

// started returns what was done of the race before the runtime.
func started() *engine.Started {
	conns, lookups, age := prestart.Handoff()
	s := &engine.Started{Age: age, Lookups: lookups}
	for _, c := range conns {
		if s.Sockets == nil {
			s.Sockets = map[netip.AddrPort]engine.StartedSocket{}
		}
		s.Sockets[c.Peer] = engine.StartedSocket{FD: c.FD, At: c.At}
	}
	return s
}

// Targets reads the words: the one bare number, first or last, is the port.
func (o *Options) Targets() ([]engine.Target, error) {
	words, portWord := o.Words, "22"
	if o.Port != nil {
		portWord = *o.Port
	}
	if last := len(words) - 1; last >= 0 && bare(words[last]) {
		words, portWord = words[:last], words[last]
	} else if last >= 0 && bare(words[0]) {
		words, portWord = words[1:], words[0]
	}
	port, err := engine.ParsePort(portWord)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, errors.New("a target is missing: a host name or address (one that begins with - goes after --)")
	}
	targets := make([]engine.Target, len(words))
	for i, w := range words {
		if w == "--" {
			return nil, errors.New("\"--\": once is enough, before the first target")
		}
		if bare(w) {
			return nil, fmt.Errorf("%q: one bare number is the port, first or last, and there is one more: write a target's own port as host:port", w)
		}
		if targets[i], err = engine.ParseTarget(w, port); err != nil {
			return nil, err
		}
		if o.NamesOnly && !isName(targets[i]) {
			return nil, fmt.Errorf("--names-only: %q is not a host name or an IP address", w)
		}
	}
	return targets, nil
}

// isName reports whether t is a host name or an IP address.
func isName(t engine.Target) bool {
	_, socket, _ := resolve.ParseSocket(t.Host)
	_, machine, _ := resolve.ParseMachine(t.Host)
	_, mac, _ := resolve.ParseMAC(t.Host)
	return !socket && !machine && !mac && !resolve.IsSRV(t.Host)
}

func bare(word string) bool {
	return word != "" && strings.Trim(word, "0123456789") == ""
}

// Dialer makes the rules of the race out of the flags.
func (o *Options) Dialer() (*engine.Dialer, error) {
	d := &engine.Dialer{
		Timeout:   o.Timeout.or(engine.DefaultTimeout),
		Delay:     o.Delay.or(engine.DefaultDelay),
		HeadStart: o.HeadStart.or(0),
	}
	switch {
	case d.Timeout == 0:
		return nil, errors.New("--timeout 0: a race needs time, such as 10s")
	case d.Delay < engine.MinDelay || d.Delay > engine.MaxDelay:
		return nil, fmt.Errorf("--delay %v: write a time from %v to %v", d.Delay, engine.MinDelay, engine.MaxDelay)
	case o.IPv4:
		d.Family = engine.IPv4
	case o.IPv6:
		d.Family = engine.IPv6
	}
	if o.BindAddress != nil {
		a, err := netip.ParseAddr(*o.BindAddress)
		if err != nil {
			return nil, fmt.Errorf("--bind-address %q: write an address of this machine, such as 192.0.2.7", *o.BindAddress)
		}
		d.Bind = a.Unmap()
		if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
			return nil, fmt.Errorf("--bind-address %s: a link-local address needs its interface, as in %s%%eth0", a, a)
		}
		if o.IPv4 && !d.Bind.Is4() || o.IPv6 && d.Bind.Is4() {
			return nil, fmt.Errorf("--bind-address %s is not an %s address", a, d.Family)
		}
	}
	if o.Interface != nil {
		d.Interface = *o.Interface
		i, err := resolve.InterfaceByName(d.Interface)
		if err != nil {
			return nil, fmt.Errorf("--interface %q: there is no such interface (\"ip link\" lists them)", d.Interface)
		}
		d.Interface = i.Name // it may be an alternative one
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
	d.NoRetry = o.NoRetry
	switch {
	case o.RequireMPTCP:
		d.Transports = []engine.Transport{MPTCP}
		d.Transports[0].Check = confirmMPTCP
	case o.MPTCP:
		d.Transports = []engine.Transport{MPTCP, {}}
	}
	d.Report = o.onEvent()
	if o.Verbose == 0 {
		d.OnProgress = statusLine.draw
	}
	return d, nil
}

// onEvent is what is done with each event, if anything.
func (o *Options) onEvent() func(engine.Event) {
	show := func(engine.Event) {}
	switch {
	case o.Verbose > 1:
		show = func(e engine.Event) { printErr(eventLine(e)) }
	case o.EveryInterface:
		show = warnUnbound()
	case logFile < 0:
		return nil
	}
	return func(e engine.Event) {
		if logFile >= 0 {
			logLine(eventLine(e))
		}
		show(e)
	}
}

// MPTCP is the transport. Its kernel does not wait for the race to acknowledge a
// handshake, and pauses MPTCP if an attempt is left alone.
var MPTCP = engine.Transport{Name: "mptcp", Socket: mptcp.Socket, EagerACK: true, MaxAge: mptcp.ConnectLimit}

var (
	errNoMPTCP = errors.New("server does not speak MPTCP")
	errPaused  = errors.New("this kernel has paused MPTCP")
	errDropped = errors.New("MPTCP is dropped on the way")
)

// Resume is what to run when the kernel has paused MPTCP, and why.
const (
	Resume    = "sysctl -w net.mptcp.blackhole_timeout=3600"
	whyPaused = "a network has dropped MPTCP, and for an hour or more this kernel does not try it"
)

func confirmMPTCP(fd int) error {
	yes, err := mptcp.InUseFD(fd)
	if err == nil && !yes {
		err = whyTCP()
	}
	return err
}

// FellBack reports whether err is, for one candidate at least, that a connection was
// made and is no MPTCP.
func FellBack(err error) bool { return errors.Is(err, errNoMPTCP) || errors.Is(err, errPaused) }

// whyTCP says why a connection that was to be MPTCP is none.
func whyTCP() error {
	if paused, err := mptcp.Paused(); err == nil && paused {
		return errPaused
	}
	return errNoMPTCP
}
