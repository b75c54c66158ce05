//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// verb is a command of a script; what it prints, stdout and stderr can ask for.
type verb func(s *scenario, ts *testscript.TestScript, args []string) error

// Commands returns the verbs of scripts. They need [Setup].
//
//	link NAME RTT [jitter D] [v4|v6]   a link, of one family only; again: its new RTT
//	addr ADDR...                       further addresses of the far host
//	drop|pass|reset|strip LINK WORD... a rule; for the words see ParseRule
//	delay LINK D WORD...               (a rule's value comes after the link)
//	loss LINK N% WORD...
//	icmp LINK net|host|port|prohibited|ttl WORD...
//	clear LINK                         removes all rules
//	down LINK; up LINK                 loses everything; nothing
//	firewall near|far input|output NFT...
//	                                   adds a rule of nft(8)
//	firewall near|far clear            removes all
//	dns [@SERVER] NAME TYPE=WHAT...    a reply (parseReply) of the near host's name server,
//	                                   or of one that nameserver has made. *.DOMAIN is
//	                                   every other name below it, * every other name
//	nameserver NAME near|far ADDR [WORD...]
//	                                   makes a name server with a behavior (parseDNSBehavior)
//	nameserver NAME [WORD...]          changes its behavior
//	resolvconf SERVER... [search DOMAIN...] [options OPTION...]
//	                                   the near host's resolv.conf
//	listen ADDR:PORT [WORD...]         starts a server of the far host (parseBehavior)
//
//	[!] race [NAME=VALUE...] ARG...    runs fdrace ARG... as ssh does
//	[!] race [NAME=VALUE...] [hangup D] exec PROG ARG...
//	                                   (ssh is killed after D)
//	wins ADDR [D]                      ADDR has won, after D
//	fails [D]                          the race was lost, after D
//	fd                                 prints the facts of the descriptor
//
//	syn WORD... [at D...]              SYNs of that kind left, the first of them at each D
//	resyn WORD... at D                 one of them was sent again, at D
//	nosyn WORD...                      no such SYN left
//	rst WORD...                        a RST of that kind left
//	syns [WORD...]                     prints the SYNs that left
//	packets [WORD...]                  prints the packets
//	queries                            prints the questions to the name servers
//	query WORD... [at D...]            such questions came, at each D; the words are
//	                                   A AAAA SRV udp tcp @SERVER NAME
//	noquery WORD...                    no such question came
//	accepts ADDR:PORT N                the server has accepted N connections
//	ended ADDR:PORT fin|rst N          clients closed N of them so
//
// Times are relative to the helper's first packet, to the wire or to a name server: they
// do not include the start of the program. The time of a query is that of its arrival,
// at the far host half a round trip later.
func Commands() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){
		"race": func(ts *testscript.TestScript, neg bool, args []string) {
			ts.Check(scenarioOf(ts).race(ts, neg, args))
		},
	}
	for name, do := range map[string]verb{
		"link": (*scenario).link, "addr": (*scenario).addr,
		"drop": rule("drop"), "pass": rule("pass"), "reset": rule("reset"), "strip": rule("strip"),
		"delay": rule("delay"), "loss": rule("loss"), "icmp": rule("icmp"),
		"clear":    onLink((*Link).Clear),
		"down":     onLink(func(l *Link) { l.SetDown(true) }),
		"up":       onLink(func(l *Link) { l.SetDown(false) }),
		"firewall": (*scenario).firewall,
		"dns":      (*scenario).dns, "nameserver": (*scenario).nameserver, "resolvconf": (*scenario).resolvconf,
		"listen": (*scenario).listen,
		"wins":   (*scenario).wins, "fails": (*scenario).fails, "fd": (*scenario).fd,
		"syn": (*scenario).syn, "resyn": (*scenario).resyn, "nosyn": (*scenario).nosyn, "rst": (*scenario).rst,
		"syns": (*scenario).syns, "packets": (*scenario).packets,
		"queries": (*scenario).printQueries, "query": (*scenario).query, "noquery": (*scenario).noquery,
		"accepts": (*scenario).accepts, "ended": (*scenario).ended,
	} {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! %s means nothing", name)
			}
			ts.Check(do(scenarioOf(ts), ts, args))
		}
	}
	return cmds
}

func (s *scenario) link(_ *testscript.TestScript, args []string) (err error) {
	if len(args) < 2 {
		return errors.New("usage: link NAME RTT [jitter D] [v4|v6]")
	}
	name := args[0]
	rtt, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	var jitter time.Duration
	var only int
	for args = args[2:]; len(args) > 0; args = args[1:] {
		switch {
		case args[0] == "v4":
			only = 4
		case args[0] == "v6":
			only = 6
		case args[0] == "jitter" && len(args) > 1:
			if jitter, err = time.ParseDuration(args[1]); err != nil {
				return err
			}
			args = args[1:]
		default:
			return fmt.Errorf("link: unknown word %q", args[0])
		}
	}
	l := s.links[name]
	if l == nil {
		if l, err = s.wire.Add(&Link{Name: name, Near: s.near, Far: s.far, RTT: rtt, Only: only}); err != nil {
			return err
		}
		s.links[name] = l
	}
	l.SetDelay(rtt, jitter)
	return nil
}

func (s *scenario) addr(_ *testscript.TestScript, args []string) error {
	var list []netip.Addr
	for _, arg := range args {
		a, err := netip.ParseAddr(arg)
		if err != nil {
			return err
		}
		list = append(list, a)
	}
	return s.far.Address(list...)
}

// onLink returns a verb whose only argument is a link.
func onLink(f func(*Link)) verb {
	return func(s *scenario, _ *testscript.TestScript, args []string) error {
		if len(args) != 1 || s.links[args[0]] == nil {
			return fmt.Errorf("%q is not the name of a link", args)
		}
		f(s.links[args[0]])
		return nil
	}
}

// rule returns a verb that adds a rule to the link that is its first argument.
func rule(action string) verb {
	return func(s *scenario, _ *testscript.TestScript, args []string) error {
		if len(args) == 0 || s.links[args[0]] == nil {
			return fmt.Errorf("usage: %s LINK WORD..., not %q", action, args)
		}
		r, err := ParseRule(append([]string{action}, args[1:]...)...)
		if err != nil {
			return err
		}
		s.links[args[0]].Rule(r)
		return nil
	}
}

func (s *scenario) host(name string) (*Host, error) {
	switch name {
	case "near":
		return s.near, nil
	case "far":
		return s.far, nil
	}
	return nil, fmt.Errorf("there is a near and a far host, no %q", name)
}

func (s *scenario) firewall(_ *testscript.TestScript, args []string) error {
	if len(args) < 2 || len(args) == 2 && args[1] != "clear" {
		return errors.New("usage: firewall near|far input|output NFT..., or firewall near|far clear")
	}
	h, err := s.host(args[0])
	if err != nil {
		return err
	}
	if args[1] == "clear" {
		return h.ClearFirewall()
	}
	return h.Firewall(args[1], strings.Join(args[2:], " "))
}

func (s *scenario) listen(_ *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: listen ADDR:PORT [BEHAVIOR...]")
	}
	at, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	m, err := parseBehavior(args[1:])
	if err != nil {
		return err
	}
	server, err := Serve(s.far, at, m)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		if err := s.far.Address(at.Addr()); err != nil {
			return err
		}
		server, err = Serve(s.far, at, m)
	}
	if err != nil {
		return err
	}
	s.servers[at] = server
	return nil
}

// parseBehavior parses the words of listen: silent (the default), banner, lines (other
// lines before the banner), late D (the banner, after D), client (the banner, after the
// client's first byte), refuses (as sshd refuses a client it penalizes), echo, mptcp (it
// accepts MPTCP).
func parseBehavior(words []string) (b Behavior, err error) {
	for ; len(words) > 0 && err == nil; words = words[1:] {
		switch words[0] {
		case "silent":
		case "banner":
			b.Greeting = Banner
		case "lines":
			b.Greeting = "Authorized use only.\r\nNot an SSH- line.\r\n" + Banner
		case "late":
			if len(words) < 2 {
				return b, errors.New("late: by how much?")
			}
			b.Greeting = Banner
			b.After, err = time.ParseDuration(words[1])
			words = words[1:]
		case "refuses":
			b.Greeting, b.Close = "Not allowed at this time\r\n", true
		case "client":
			b.Greeting, b.ClientFirst = Banner, true
		case "echo":
			b.Echo = true
		case "mptcp":
			b.MPTCP = true
		default:
			err = fmt.Errorf("listen: unknown word %q", words[0])
		}
	}
	return b, err
}
