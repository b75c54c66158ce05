//go:build linux

package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// The verbs about name servers.

const dnsPort = 53

// dns defines replies. Unless the script has made a name server, it is one on the near
// host, as systemd-resolved is: an answer takes only the time that the script gives.
func (s *scenario) dns(_ *testscript.TestScript, args []string) error {
	server := ""
	if len(args) > 0 && strings.HasPrefix(args[0], "@") {
		server, args = args[0][1:], args[1:]
	}
	if len(args) < 2 {
		return errors.New("usage: dns [@SERVER] NAME TYPE=WHAT... (see lab.Commands)")
	}
	d := s.resolvers[server]
	if d == nil && server != "" {
		return fmt.Errorf("dns: there is no name server %q", server)
	}
	if d == nil {
		at := netip.MustParseAddrPort("127.0.0.53:53")
		var err error
		if d, err = s.wire.ServeDNS(s.near, at); err != nil {
			return err
		}
		if err := s.near.File("/etc/resolv.conf", "nameserver "+at.Addr().String()+"\n"); err != nil {
			return errors.Join(err, d.Close())
		}
		s.resolvers[server] = d
	}
	for _, arg := range args[1:] {
		kind, reply, more, err := parseReply(arg)
		if err != nil {
			return err
		}
		if more {
			d.Add(args[0], kind, reply)
		} else {
			d.Set(args[0], kind, reply)
		}
	}
	return nil
}

func (s *scenario) nameserver(_ *testscript.TestScript, args []string) error {
	usage := errors.New("usage: nameserver NAME near|far ADDR [WORD...], then nameserver NAME [WORD...] (see lab.Commands)")
	if len(args) == 0 {
		return usage
	}
	name, words := args[0], args[1:]
	d := s.resolvers[name]
	if d == nil {
		if len(words) < 2 {
			return usage
		}
		var err error
		if d, err = s.newNameserver(name, words[0], words[1]); err != nil {
			return err
		}
		words = words[2:]
	}
	b, err := parseDNSBehavior(words)
	if err != nil {
		return err
	}
	return d.Behave(b)
}

func (s *scenario) newNameserver(name, host, addr string) (*DNS, error) {
	h, err := s.host(host)
	if err != nil {
		return nil, err
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	at := netip.AddrPortFrom(a, dnsPort)
	d, err := s.wire.ServeDNS(h, at)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		if err := h.Address(a); err != nil {
			return nil, err
		}
		d, err = s.wire.ServeDNS(h, at)
	}
	if err != nil {
		return nil, err
	}
	d.Name = name
	s.resolvers[name] = d
	return d, nil
}

// resolvconf writes /etc/resolv.conf.
func (s *scenario) resolvconf(_ *testscript.TestScript, args []string) error {
	var b strings.Builder
	servers := args
	if n := slices.IndexFunc(args, func(w string) bool { return w == "search" || w == "options" }); n >= 0 {
		servers = args[:n]
		rest := args[n:]
		if m := slices.Index(rest, "options"); m > 0 {
			fmt.Fprintln(&b, strings.Join(rest[:m], " "))
			rest = rest[m:]
		}
		fmt.Fprintln(&b, strings.Join(rest, " "))
	}
	for _, name := range servers {
		at := name
		if d := s.resolvers[name]; d != nil {
			at = d.at.Addr().String()
		} else if _, err := netip.ParseAddr(name); err != nil {
			return fmt.Errorf("resolvconf: %q is no name server and no address", name)
		}
		fmt.Fprintln(&b, "nameserver", at)
	}
	return s.near.File("/etc/resolv.conf", b.String())
}

// queries returns the questions of the last race.
func (s *scenario) queries() []Query {
	var list []Query
	for _, d := range s.resolvers {
		list = append(list, d.Queries()...)
	}
	slices.SortStableFunc(list, func(a, b Query) int { return cmp.Compare(a.At, b.At) })
	return list
}

// printQueries implements the verb queries.
func (s *scenario) printQueries(ts *testscript.TestScript, _ []string) error {
	fmt.Fprint(ts.Stdout(), s.listQueries())
	return nil
}

func (s *scenario) listQueries() string {
	var b strings.Builder
	zero := s.zero()
	for _, q := range s.queries() {
		fmt.Fprintln(&b, ms(q.At-zero), q)
	}
	return b.String()
}

// queriesOf returns the questions of the last race that words match, with times since
// its zero.
func (s *scenario) queriesOf(words []string) ([]Query, error) {
	list := s.queries()
	for _, word := range words {
		var is func(Query) bool
		kind, isKind := kinds[word]
		switch {
		case isKind:
			is = func(q Query) bool { return q.Type == kind }
		case word == "udp" || word == "tcp":
			is = func(q Query) bool { return q.TCP == (word == "tcp") }
		case strings.HasPrefix(word, "@"):
			if s.resolvers[word[1:]] == nil {
				return nil, fmt.Errorf("there is no name server %q", word[1:])
			}
			is = func(q Query) bool { return q.Server == word[1:] }
		default:
			is = func(q Query) bool { return q.Name == canonical(word) }
		}
		list = slices.DeleteFunc(list, func(q Query) bool { return !is(q) })
	}
	zero := s.zero()
	for i := range list {
		list[i].At -= zero
	}
	return list, nil
}

// query checks that such questions came, each at its time if there is one.
func (s *scenario) query(_ *testscript.TestScript, args []string) error {
	words, times, err := cutTimes(args)
	if err != nil {
		return err
	}
	list, err := s.queriesOf(words)
	if err != nil {
		return err
	}
	if len(list) == 0 || len(list) < len(times) {
		s.inexact = len(list) > 0
		return fmt.Errorf("%d queries %s\n%s", len(list), strings.Join(words, " "), s.listQueries())
	}
	for i, want := range times {
		if err := s.judge("query "+list[i].String(), list[i].At, want); err != nil {
			return fmt.Errorf("%w%s", err, s.listQueries())
		}
	}
	return nil
}

func (s *scenario) noquery(_ *testscript.TestScript, args []string) error {
	list, err := s.queriesOf(args)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("query %v\n%s", list[0], s.listQueries())
	}
	return err
}
