package race

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"fdrace/race/resolve"
)

// What targets mean: the questions a race asks of the resolver, and what it
// makes of the answers.

// A kind is what a question asks for.
type kind int

const (
	askAAAA  kind = iota // the IPv6 addresses of a name
	askA                 // its IPv4 addresses
	askMAC               // the addresses behind a MAC
	askLinks             // a link-local address, with the zone of every link
	askSRV               // the targets that a service stands for
	askNAT64             // the prefixes into which IPv4 is mapped here
)

// family is what the answer is restricted to.
func (k kind) family() Family {
	return [...]Family{askAAAA: IPv6, askA: IPv4, askNAT64: AnyFamily}[k]
}

// A question is what one Lookup asks, for one lane.
type question struct {
	lane int
	kind kind
	host string
}

// An answer has what its question asks for, or err. more says that the same
// question will be answered again.
type answer struct {
	question
	addrs    []netip.Addr
	services []resolve.Service
	prefixes []netip.Prefix
	err      error
	more     bool
}

// prepare queues the addresses of l that are there to read, and asks for the
// others.
func (r *running) prepare(l *lane) {
	host := l.target.Host
	if a, ok := l.target.literal(); ok {
		r.add(l, []netip.Addr{a}, false)
		return
	}
	if s, ok, _ := resolve.ParseSocket(host); ok {
		if s.Path == "" && s.Port == 0 {
			s.Port = uint32(l.target.Port)
		}
		l.add(Addr{Socket: s})
		return
	}
	if _, ok, _ := resolve.ParseMAC(host); ok {
		l.atOnce = true
		r.ask(l, askMAC, host)
		return
	}
	if resolve.IsSRV(host) {
		r.ask(l, askSRV, host)
		return
	}
	r.askName(l)
}

func (r *running) askName(l *lane) {
	for _, k := range []kind{askAAAA, askA} {
		if r.family == AnyFamily || r.family == k.family() {
			r.ask(l, k, l.target.Host)
		}
	}
}

func (r *running) ask(l *lane, k kind, host string) {
	q := question{l.index, k, host}
	if _, asked := r.lookups[q]; asked {
		return
	}
	r.asked = append(r.asked, q)
	l.waits++
	if k == askAAAA {
		l.waitsFor6 = true
	}
	r.report(Event{Kind: Resolve, Target: l.target, Family: k.family()})
	r.lookup(q)
}

func (r *running) lookup(q question) {
	if r.lookups == nil { // a race of literals needs none
		r.lookups = map[question]time.Duration{}
	}
	r.lookups[q] = r.sys.Now()
	r.sys.Lookup(q)
}

// answered takes an answer: addresses join their lane at their place, and what
// has started stays. Only when no answer has given an address is it the name
// that has failed.
func (r *running) answered(a answer) {
	if a.kind == askNAT64 {
		r.answeredNAT64(a)
		return
	}
	l := r.schedule.lanes[a.lane]
	if !a.more {
		delete(r.lookups, a.question)
		l.waits--
		l.waitsFor6 = l.waitsFor6 && a.kind != askAAAA
	}
	r.report(Event{Kind: Resolved, Target: l.target, Family: a.kind.family(), Addrs: a.addrs, Err: a.err})
	r.add(l, a.addrs, a.kind == askLinks)
	r.standFor(l, a.services)
	if a.err != nil && notFound(l.err) {
		l.err = a.err
	}
	r.settle(l)
}

// settle notes, once there is no question left, what l has not been told.
func (r *running) settle(l *lane) {
	if l.waits > 0 || l.err == nil {
		return
	}
	if !(l.answers && notFound(l.err)) {
		r.note(Failure{Target: l.target, Err: l.err})
	}
	l.err = nil
}

// add queues those of addrs that this race can use, and says why not of the
// others. Where together, they start in one moment.
func (r *running) add(l *lane, addrs []netip.Addr, together bool) {
	var g group
	for _, a := range addrs {
		bare := a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == ""
		if bare && r.Interface != "" {
			a, bare = a.WithZone(r.Interface), false
		}
		ap := Addr{AddrPort: netip.AddrPortFrom(a, l.target.Port)}
		switch {
		case r.family != AnyFamily && r.family != familyOf(a):
			r.refuse(l, ap, fmt.Errorf("not an %s address", r.family))
		case r.isElsewhere(a):
			r.refuse(l, ap, fmt.Errorf("not on %s", r.Interface))
		case bare:
			r.ask(l, askLinks, a.String())
		default:
			g = append(g, ap)
		}
	}
	if len(g) == 0 {
		return
	}
	if !l.answers {
		l.answers = true
		l.patience = r.sys.Now() + resolutionDelay
	}
	if together {
		l.addGroup(g)
	} else {
		l.add(g...)
	}
}

// isElsewhere reports whether a has the name of another interface for a zone than
// that of all sockets: the kernel would call it invalid.
func (r *running) isElsewhere(a netip.Addr) bool {
	if r.Interface == "" || a.Zone() == "" || a.Zone() == r.Interface {
		return false
	}
	_, err := strconv.Atoi(a.Zone())
	return err != nil
}

// refuse notes, once, an address that this race cannot use.
func (r *running) refuse(l *lane, addr Addr, why error) {
	if r.unusable[addr] {
		return
	}
	if r.unusable == nil {
		r.unusable = map[Addr]bool{}
	}
	r.unusable[addr] = true
	r.note(Failure{Target: l.target, Addr: addr, Err: why})
}

// standFor makes l stand for services, which come in the order of RFC 2782:
// each has a lane inside l, one delay behind the one before.
func (r *running) standFor(l *lane, services []resolve.Service) {
	if len(services) == 0 {
		return
	}
	l.answers = true
	l.inner = &order{gap: r.schedule.delay, next: r.sys.Now()}
	seen := map[Target]bool{}
	for _, s := range services {
		t := Target{s.Host, s.Port}
		if seen[t] {
			continue
		}
		seen[t] = true
		in := r.schedule.newLane(t)
		l.inner.tiers = append(l.inner.tiers, []*lane{in})
		if _, ok := t.literal(); !ok {
			// A name, whatever it looks like: services could lead to each other
			// for ever, and what is a MAC or a socket is not for DNS to say.
			r.askName(in)
			continue
		}
		r.prepare(in)
	}
}

// notFound reports whether err says no more than that there is no address.
func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}

// nat64 is what a race knows of an IPv6-only network's way to IPv4 (RFC 6052).
type nat64 struct {
	asked    bool
	answered bool
	prefixes []netip.Prefix
	stranded []stranded // until the answer is there
}

// stranded is an IPv4 address without a route, and the lanes that wait to hear
// what it is in IPv6.
type stranded struct {
	addr  Addr
	lanes []*lane
}

func (r *running) askNAT64() {
	if r.nat64.asked || r.family != AnyFamily { // with IPv6 alone there is no IPv4 address to map
		return
	}
	r.nat64.asked = true
	r.lookup(question{kind: askNAT64})
}

// strand takes an IPv4 attempt for which there is no route. Its address may be
// reached through IPv6; until that is known its lanes are not over.
func (r *running) strand(a *attempt) {
	if a.addr.isSocket() || !a.addr.Addr().Is4() || !a.dead || a.via != "" || r.family == IPv4 {
		return
	}
	r.askNAT64()
	s := stranded{a.addr, slices.Clone(a.lanes)}
	if r.nat64.answered {
		r.mapped(s)
		return
	}
	for _, l := range s.lanes {
		l.waits++
	}
	r.nat64.stranded = append(r.nat64.stranded, s)
}

func (r *running) answeredNAT64(a answer) {
	delete(r.lookups, a.question)
	r.nat64.answered = true
	r.nat64.prefixes = a.prefixes
	for _, s := range r.nat64.stranded {
		for _, l := range s.lanes {
			l.waits--
			r.settle(l)
		}
		r.mapped(s)
	}
	r.nat64.stranded = nil
}

// mapped queues s, mapped into each prefix.
func (r *running) mapped(s stranded) {
	for _, p := range r.nat64.prefixes {
		if a, ok := resolve.Map(p, s.addr.Addr()); ok {
			for _, l := range s.lanes {
				l.add(Addr{AddrPort: netip.AddrPortFrom(a, s.addr.Port())})
			}
		}
	}
}
