package engine

//lint:file-ignore ST1005 These errors begin with the name of a field.

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fdrace/internal/resolve"
)

// maxBannerLine is the maximum length of a server's identification string (RFC 4253
// section 4.2). Dialer.Banner is the beginning of one.
const maxBannerLine = 255

// maxLogin bounds a proxy's user name and password: RFC 1929 has one byte for each
// length.
const maxLogin = 255

// validate returns what is wrong with a race: the field, and what to set instead.
func (d *Dialer) validate(started *Started, targets []Target) error {
	if len(targets)+len(d.Proxies)+len(d.Commands) == 0 {
		return errors.New("no target: pass one to Dial, or set Proxies or Commands")
	}
	for i, t := range targets {
		if err := t.validate(); err != nil {
			return fmt.Errorf("target %d: %w", i, err)
		}
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"Timeout", d.Timeout}, {"Wait", d.Wait}, {"HeadStart", d.HeadStart}, {"Fallback", d.Fallback}, {"Started.Age", started.Age}} {
		if f.d < 0 {
			return fmt.Errorf("%s is %v: set 0 or more", f.name, f.d)
		}
	}
	switch {
	case d.Family < AnyFamily || d.Family > IPv6:
		return fmt.Errorf("Family is %d: set AnyFamily, IPv4 or IPv6", d.Family)
	case d.Delay != 0 && (d.Delay < MinDelay || d.Delay > MaxDelay):
		return fmt.Errorf("Delay is %v: set %v to %v, or 0 for %v", d.Delay, MinDelay, MaxDelay, DefaultDelay)
	case d.HostKey != nil && (d.HostKey.Known == nil || d.HostKey.Start == nil || d.HostKey.Verdict == nil):
		return errors.New("HostKey lacks a function: set Known, Start and Verdict")
	case d.Bind.Is4In6():
		return fmt.Errorf("Bind is %v: call Unmap", d.Bind)
	case d.Bind.IsValid() && d.Family != AnyFamily && d.Family != familyOf(d.Bind):
		return fmt.Errorf("Bind is %v, not an %v address: leave Family at AnyFamily", d.Bind, d.Family)
	case len(d.Banner) > maxBannerLine || strings.ContainsAny(d.Banner, "\r\n"):
		return fmt.Errorf("Banner is %q: set the beginning of one line, such as SSH-", d.Banner)
	case len(d.Transports) > maxOpen:
		return fmt.Errorf("Transports has %d: set %d at most", len(d.Transports), maxOpen)
	}
	names := map[string]bool{}
	for i := range d.Transports {
		name := d.Transports[i].name()
		if names[name] {
			return fmt.Errorf("Transports has two by the Name %q: give each its own", name)
		}
		names[name] = true
	}
	for _, i := range d.Interfaces {
		if i.Name == "" || !i.IPv4 && !i.IPv6 {
			return fmt.Errorf("Interfaces has %+v: set Name, and IPv4, IPv6 or both", i)
		}
	}
	for i := range d.Proxies {
		if err := d.Proxies[i].validate(); err != nil {
			return fmt.Errorf("Proxies[%d]: %w", i, err)
		}
	}
	for i, c := range d.Commands {
		if c.Name == "" || c.Start == nil {
			return fmt.Errorf("Commands[%d]: set Name and Start", i)
		}
	}
	for _, fd := range d.Hangup {
		if fd < 0 {
			return fmt.Errorf("Hangup has descriptor %d: leave it out", fd)
		}
	}
	return started.validate()
}

func (s *Started) validate() error {
	for peer, socket := range s.Sockets {
		if socket.FD < 0 || !peer.IsValid() || socket.At < 0 || socket.At > s.Age {
			return fmt.Errorf("Started.Sockets has %+v for %v: set FD, and At between 0 and Age", socket, peer)
		}
	}
	for name, lookup := range s.Lookups {
		if lookup == nil {
			return fmt.Errorf("Started.Lookups has nil for %q: leave it out", name)
		}
	}
	return nil
}

// validate returns what is wrong with t, which ParseTarget may not have read.
func (t Target) validate() error {
	if t.Host == "" {
		return errors.New("Host is empty: set a name or an address")
	}
	s, ok, err := resolve.ParseSocket(t.Host)
	if ok && err != nil {
		return fmt.Errorf("Host is %q: %w", t.Host, err)
	}
	_, machine, err := resolve.ParseMachine(t.Host)
	if machine && err != nil {
		return fmt.Errorf("Host is %q: %w", t.Host, err)
	}
	hasPort := machine || ok && (s.Port != 0 || s.Path != "" && !s.Mux)
	if t.Port == 0 && !hasPort {
		return fmt.Errorf("Port of %q is 0: set a port, such as 22", t.Host)
	}
	return nil
}

func (p *Proxy) validate() error {
	if err := p.Server.validate(); err != nil {
		return fmt.Errorf("Server: %w", err)
	}
	if err := p.Target.validate(); err != nil {
		return fmt.Errorf("Target: %w", err)
	}
	a, literal := p.Target.literal()
	switch {
	case p.Kind < SOCKS5 || p.Kind > HTTP:
		return fmt.Errorf("Kind is %d: set SOCKS5, SOCKS4a or HTTP", p.Kind)
	case len(p.User) > maxLogin || len(p.Password) > maxLogin:
		return fmt.Errorf("User and Password have %d and %d bytes: set %d at most", len(p.User), len(p.Password), maxLogin)
	case p.Password != "" && p.User == "":
		return errors.New("Password without a User: set both")
	case p.Kind == SOCKS4a && p.Password != "":
		return errors.New("Password: SOCKS4a has none: set Kind to SOCKS5")
	case p.Kind == SOCKS4a && literal && a.Is6():
		return fmt.Errorf("Target is %v: SOCKS4a has no IPv6 addresses: set Kind to SOCKS5", a)
	case p.Kind == SOCKS4a && strings.ContainsRune(p.User+p.Target.Host, 0):
		return errors.New("User and Target.Host end at a NUL in SOCKS4a: leave it out")
	case p.Kind == HTTP && strings.Contains(p.User, ":"):
		return fmt.Errorf("User is %q: leave the colon out, which ends a user name in HTTP (RFC 7617)", p.User)
	case !literal && len(p.Target.Host) > maxLogin:
		return fmt.Errorf("Target.Host has %d bytes: set %d at most", len(p.Target.Host), maxLogin)
	}
	return nil
}
