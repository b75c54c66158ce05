//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Rule is what a link does to the packets that match. The first of a link's rules
// that matches a packet decides.
type Rule struct {
	Match
	Do     Action
	Chance float64       // of taking a packet that matches; 0 means each
	Once   bool          // it takes one packet
	spent  bool          // which it has
	Extra  time.Duration // Delay: on top of the link's own
	Error  ICMP          // Refuse: with what
}

// Action is what is done to a packet. An answer (Reset, Refuse) seems to come from
// the far end: it reaches the sender one round trip later.
type Action uint8

const (
	Pass   Action = iota // as if there were no rule
	Drop                 // without a word
	Delay                // by Extra more
	Reset                // drop it, and send its sender a RST
	Refuse               // drop it, and send its sender an ICMP error
	Strip                // deliver it without its MPTCP options
)

// Match is a set of conditions; a packet matches if all hold. The zero value matches
// every packet.
type Match struct {
	Dir   Direction
	IP    int            // 4 or 6
	Proto int            // unix.IPPROTO_TCP, …
	Which Segment        // of TCP
	MPTCP bool           // carries option 30
	Plain bool           // does not
	Fresh bool           // is not a SYN that was sent before
	Src   netip.Addr     //
	Dst   netip.Addr     //
	Host  netip.AddrPort // either end; the address or the port may be missing
}

// Segment is a kind of TCP segment.
type Segment uint8

const (
	AnySegment Segment = iota
	Syn                // SYN without ACK
	SynAck             //
	Later              // no SYN
	Rst                //
	Fin                //
)

func (m *Match) matches(p *Packet) bool {
	switch {
	case m.Dir != Both && m.Dir != p.Dir,
		m.IP == 4 && !p.Dst.Addr().Is4(),
		m.IP == 6 && !p.Dst.Addr().Is6(),
		m.Proto != 0 && m.Proto != p.Proto,
		m.MPTCP && p.MPTCP == 0,
		m.Plain && p.MPTCP != 0,
		m.Fresh && p.Again,
		m.Src.IsValid() && m.Src != p.Src.Addr(),
		m.Dst.IsValid() && m.Dst != p.Dst.Addr():
		return false
	}
	return m.Which.has(p) && (isEnd(m.Host, p.Src) || isEnd(m.Host, p.Dst))
}

func (s Segment) has(p *Packet) bool {
	if s == AnySegment {
		return true
	}
	if p.Proto != unix.IPPROTO_TCP {
		return false
	}
	switch s {
	case Syn:
		return p.Flags&(SYN|ACK) == SYN
	case SynAck:
		return p.Flags&(SYN|ACK) == SYN|ACK
	case Later:
		return p.Flags&SYN == 0
	case Rst:
		return p.Flags&RST != 0
	default:
		return p.Flags&FIN != 0
	}
}

func isEnd(want, end netip.AddrPort) bool {
	return (!want.Addr().IsValid() || want.Addr() == end.Addr()) &&
		(want.Port() == 0 || want.Port() == end.Port())
}

// ParseRule parses a rule of a script: the action, then the conditions in any
// order.
//
//	drop | pass | strip | reset | delay 30ms | icmp net|host|port|prohibited|ttl | loss 30%
//	first (only one packet; before the conditions)
//	v4 v6 tcp udp out in syn synack later rst fin mptcp plain fresh
//	ADDR   from ADDR   to ADDR   port N
//
// `strip` removes MPTCP's options; the word mptcp may follow.
func ParseRule(words ...string) (Rule, error) {
	var r Rule
	if len(words) == 0 {
		return r, fmt.Errorf("rule: what to do is missing")
	}
	words, err := r.parseAction(words)
	if err == nil && len(words) > 0 && words[0] == "first" {
		r.Once, words = true, words[1:]
	}
	if err == nil {
		r.Match, err = ParseMatch(words...)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("rule: %w", err)
	}
	return r, nil
}

// ParseMatch parses the conditions of a rule.
func ParseMatch(words ...string) (m Match, err error) {
	for err == nil && len(words) > 0 {
		words, err = m.parse(words)
	}
	return m, err
}

// parseAction parses the action at the front of words and returns the rest.
func (r *Rule) parseAction(words []string) (rest []string, err error) {
	simple := map[string]Action{"pass": Pass, "drop": Drop, "reset": Reset, "strip": Strip}
	if do, ok := simple[words[0]]; ok {
		r.Do = do
		return words[1:], nil
	}
	if !slices.Contains([]string{"delay", "icmp", "loss"}, words[0]) {
		return nil, fmt.Errorf("unknown action %q", words[0])
	}
	if len(words) < 2 {
		return nil, fmt.Errorf("%s needs a value", words[0])
	}
	value := words[1]
	switch words[0] {
	case "delay":
		r.Do = Delay
		if r.Extra, err = time.ParseDuration(value); r.Extra < 0 {
			err = fmt.Errorf("delay %s: a packet cannot be early", value)
		}
	case "loss":
		r.Do = Drop
		r.Chance, err = strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
		if r.Chance /= 100; err == nil && !(r.Chance > 0 && r.Chance <= 1) {
			err = fmt.Errorf("loss %s: more than 0%%, and 100%% at most", value)
		}
	case "icmp":
		r.Do = Refuse
		var ok bool
		if r.Error, ok = icmpErrors[value]; !ok {
			err = fmt.Errorf("unknown ICMP error %q", value)
		}
	}
	return words[2:], err
}

// parse parses the condition at the front of words and returns the rest.
func (m *Match) parse(words []string) (rest []string, err error) {
	word, rest := words[0], words[1:]
	switch word {
	case "v4":
		m.IP = 4
	case "v6":
		m.IP = 6
	case "tcp":
		m.Proto = unix.IPPROTO_TCP
	case "udp":
		m.Proto = unix.IPPROTO_UDP
	case "out":
		m.Dir = Out
	case "in":
		m.Dir = In
	case "syn":
		m.Which = Syn
	case "synack":
		m.Which = SynAck
	case "later":
		m.Which = Later
	case "rst":
		m.Which = Rst
	case "fin":
		m.Which = Fin
	case "mptcp":
		m.MPTCP = true
	case "plain":
		m.Plain = true
	case "fresh":
		m.Fresh = true
	case "from", "to", "port":
		if len(rest) == 0 {
			return nil, fmt.Errorf("%s needs a value", word)
		}
		return rest[1:], m.parseValue(word, rest[0])
	default:
		a, err := netip.ParseAddr(word)
		if err != nil {
			return nil, fmt.Errorf("unknown word %q", word)
		}
		m.Host = netip.AddrPortFrom(a, m.Host.Port())
	}
	return rest, nil
}

func (m *Match) parseValue(word, value string) (err error) {
	switch word {
	case "from":
		m.Src, err = netip.ParseAddr(value)
	case "to":
		m.Dst, err = netip.ParseAddr(value)
	default:
		var port uint64
		port, err = strconv.ParseUint(value, 10, 16)
		m.Host = netip.AddrPortFrom(m.Host.Addr(), uint16(port))
	}
	return err
}
