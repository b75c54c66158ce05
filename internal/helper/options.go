//go:build unix

package helper

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
)

// Options is the command line, tagged for kong. The zero value of a field is its
// default, so that common lines do not need kong (see FastParse). The texts of --help
// are in cmd/fdrace/help.go.
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

	// These do something other than a race for ssh, and package main handles them.
	Explain   bool
	Doctor    bool
	Setup     bool
	SSHConfig *string `short:"F" placeholder:"FILE"`
	JSON      bool    `name:"json"`

	waker   *waker   // of Wake, see addWait
	checker *checker // of HostKey, see addHostKey
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

// Targets parses the words. A bare number, first or last, is the default port.
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
			if last := words[len(words)-1]; strings.HasPrefix(last, "-") {
				return nil, fmt.Errorf("%q: flags go before --, and before the targets", last)
			}
			return nil, fmt.Errorf("%q: only one bare number, first or last, can be the default port: write a target's own port as host:port", w)
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

// Dialer returns the rules of the race that the flags ask for, without those for proxies,
// commands, --host-key, --wait and --wake, which Plan adds.
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
		d.Interface = i.Name // the flag may have an alternative name
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

// onEvent returns the function that handles each event, or nil.
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
