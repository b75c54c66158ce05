package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"fdrace/internal/resolve"
)

// What targets mean: the questions a race asks of the resolver, and what it
// makes of the answers.

// A kind is what a question asks for.
type kind int

const (
	askAAAA    kind = iota // the IPv6 addresses of a name
	askA                   // its IPv4 addresses
	askMAC                 // the addresses behind a MAC
	askLinks               // a link-local address, with the zone of every link
	askSRV                 // the targets that a service stands for
	askMachine             // the socket of a container or a virtual machine
	askNAT64               // the prefixes into which IPv4 is mapped here
)

// family is what the answer is restricted to.
func (k kind) family() Family {
	return [...]Family{askAAAA: IPv6, askA: IPv4, askNAT64: AnyFamily}[k]
}

// isName reports whether k asks for the addresses of a name.
func (k kind) isName() bool { return k == askAAAA || k == askA }

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
	socket   resolve.Socket
	prefixes []netip.Prefix
	replaces []netip.Addr // of an answer before, where they have not been tried
	err      error
	more     bool
}

// prepare queues the addresses of l that are there to read, and asks for the
// others.
func (r *running) prepare(l *lane) {
	host := l.target.Host
	if l.runs != nil {
		l.add(Addr{Command: l.runs})
		return
	}
	if _, literal := l.target.literal(); l.proxy != nil && !literal {
		r.askName(l, host) // whatever it looks like
		return
	}
	if a, ok := l.target.literal(); ok {
		r.add(l, r.hostAddrs(l, []netip.Addr{a}), false) // of a service it may be any
		return
	}
	if s, ok, _ := resolve.ParseSocket(host); ok {
		r.addSocket(l, s)
		return
	}
	if name, ok, _ := resolve.ParseMachine(host); ok {
		r.ask(l, askMachine, name)
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
	r.askName(l, host)
}

// addSocket queues s, at l's port if it has none of its own.
func (r *running) addSocket(l *lane, s resolve.Socket) {
	if (s.Path == "" || s.Mux) && s.Port == 0 {
		s.Port = uint32(l.target.Port)
	}
	l.add(Addr{Socket: s})
}

func (r *running) askName(l *lane, host string) {
	for _, k := range []kind{askAAAA, askA} {
		if r.family == AnyFamily || r.family == k.family() {
			r.ask(l, k, host)
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
	l.asked4 = l.asked4 || k == askA
	r.report(Event{Kind: Resolve, Candidate: Candidate{Target: l.target}, Family: k.family()})
	r.lookup(q)
}

// provisional is in place of the time at which a lookup began, once it has an
// answer that may still be replaced.
const provisional time.Duration = -1

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
	if r.timeout == never {
		return // too late
	}
	if a.kind == askNAT64 {
		r.answeredNAT64(a)
		return
	}
	if _, ok := r.lookups[a.question]; !ok {
		return // abandoned
	}
	l := r.schedule.lanes[a.lane]
	switch {
	case a.more && (a.kind.isName() && len(a.addrs) > 0 || len(a.services) > 0):
		r.lookups[a.question] = provisional
	case !a.more:
		delete(r.lookups, a.question)
		l.waits--
		l.waitsFor6 = l.waitsFor6 && a.kind != askAAAA
	}
	if l.waitsFor6 && a.kind == askAAAA && len(a.addrs) > 0 {
		l.waitsFor6 = false // what may come in their place is not waited for
	}
	if a.kind == askA {
		l.asked4, l.waitsFor4 = a.more && len(a.addrs) == 0, false
	}
	if settled := a.kind.isName() && a.err == nil && len(a.addrs)+len(a.replaces) == 0; !settled {
		r.report(Event{Kind: Resolved, Candidate: Candidate{Target: l.target}, Family: a.kind.family(), Addrs: a.addrs, Replaces: len(a.replaces) > 0, Err: a.err})
	}
	l.remove(a.replaces)
	if l.answers && len(a.replaces) > 0 && !l.started && len(l.queue[0])+len(l.queue[1]) == 0 {
		l.answers = false // as if there had been none
	}
	if a.kind == askAAAA && len(a.addrs) > 0 && !l.answers && l.asked4 && r.sys.Route(IPv4) {
		l.waitsFor4 = r.prefersIPv4(a.addrs)
	}
	r.add(l, r.hostAddrs(l, a.addrs), a.kind == askLinks)
	if a.kind.isName() {
		r.sort(l)
	}
	r.standFor(l, a.services)
	if (a.socket != resolve.Socket{}) {
		r.addSocket(l, a.socket)
	}
	if a.err != nil && notFound(l.err) {
		l.err = a.err
	}
	r.settle(l)
}

// hostAddrs returns those of addrs that can be a host's. Block lists answer with
// 0.0.0.0 or ::, which would lead to this machine.
func (r *running) hostAddrs(l *lane, addrs []netip.Addr) []netip.Addr {
	if !slices.ContainsFunc(addrs, isNoHost) {
		return addrs
	}
	var hosts []netip.Addr
	for _, addr := range addrs {
		if isNoHost(addr) {
			r.refuse(l, l.addr(addr), errNoHost)
		} else {
			hosts = append(hosts, addr)
		}
	}
	return hosts
}

// errNoHost is why an address that a name has is not tried.
var errNoHost = errors.New("no host has this address: a block list, or a wrong record")

// isNoHost reports whether a cannot be the address of a host.
func isNoHost(a netip.Addr) bool {
	return a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// sort puts the addresses of l that have not started into the order of RFC 6724.
// Families take turns, that of the first address first (RFC 8305 section 4).
func (r *running) sort(l *lane) {
	if len(l.queue[0])+len(l.queue[1]) < 2 {
		return
	}
	groups := map[netip.Addr]group{}
	var addrs []netip.Addr
	for _, g := range slices.Concat(l.queue[0], l.queue[1]) {
		a := g[0].Addr()
		groups[a] = g
		addrs = append(addrs, a)
	}
	r.sys.Sort(addrs)
	if i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return r.isBegun(l, a) }); i > 0 && !l.started {
		first := addrs[i]
		copy(addrs[1:i+1], addrs)
		addrs[0] = first
	}
	l.queue = [2][]group{}
	for _, a := range addrs {
		l.addGroup(groups[a])
	}
	if !l.started {
		l.turn = 0
		if addrs[0].Is4() {
			l.turn = 1
		}
	}
}

// Addresses of the root name server A, far from everybody. Nothing is sent.
func farIPv4() netip.Addr { return netip.AddrFrom4([4]byte{198, 41, 0, 4}) }
func farIPv6() netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 13: 0x02, 15: 0x30})
}

// prefersIPv4 reports whether an IPv4 address that may still come would go before
// the first of addrs, as it does before a unique local address (ULA).
func (r *running) prefersIPv4(addrs []netip.Addr) bool {
	list := append(slices.Clip(addrs), farIPv4())
	r.sys.Sort(list)
	return list[0].Is4()
}

// settle notes, once there is no question left, what l has not been told.
func (r *running) settle(l *lane) {
	if l.waits > 0 || l.err == nil {
		return
	}
	if !(l.answers && notFound(l.err)) {
		r.note(Failure{Candidate: Candidate{Target: l.target}, Err: l.err})
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
		a = r.withCommonZone(a)
		ap := l.addr(a)
		switch {
		case r.family != AnyFamily && r.family != familyOf(a):
			r.refuse(l, ap, fmt.Errorf("not an %s address", r.family))
		case r.zoneMismatch(a):
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
		l.patience = r.sys.Now()
		begun := slices.ContainsFunc(addrs, func(a netip.Addr) bool { return r.isBegun(l, a) })
		if (l.waitsFor4 || l.waitsFor6 && r.sys.Route(IPv6)) && !begun {
			l.patience += resolutionDelay
		}
	}
	if together {
		l.addGroup(g)
	} else {
		l.add(g...)
	}
}

// isBegun reports whether a connection to a was begun before the race.
func (r *running) isBegun(l *lane, a netip.Addr) bool {
	_, ok := r.started.Sockets[netip.AddrPortFrom(a, l.target.Port)]
	return ok
}

// withCommonZone returns a with the name by which the race calls the interface of its
// zone: fe80::1%2, fe80::1%eth0 and the address with an alternative name of eth0 are one
// candidate.
func (r *running) withCommonZone(a netip.Addr) netip.Addr {
	zone := a.Zone()
	if zone == "" || zone == r.Interface {
		return a
	}
	zone = r.sys.InterfaceName(zone)
	if r.Interface != "" && zone == r.sys.InterfaceName(r.Interface) {
		zone = r.Interface
	}
	return a.WithZone(zone)
}

// zoneMismatch reports whether the zone of a is another interface than the one that
// all sockets are bound to: the kernel would call a invalid.
func (r *running) zoneMismatch(a netip.Addr) bool {
	return r.Interface != "" && a.Zone() != "" && a.Zone() != r.Interface
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
	r.note(Failure{Candidate: Candidate{Target: l.target, Addr: addr}, Err: why})
}

// standFor makes l stand for services, which come in the order of RFC 2782:
// each has a lane inside l, one delay behind the one before. They take the place
// of those of an earlier answer that have not started.
func (r *running) standFor(l *lane, services []resolve.Service) {
	if len(services) == 0 {
		return
	}
	l.answers = true
	if l.inner == nil {
		l.inner = &order{gap: r.schedule.delay, next: r.sys.Now()}
	}
	dropped := l.inner.drop()
	seen := map[Target]bool{}
	for _, tier := range l.inner.tiers {
		seen[tier[0].target] = true
	}
	for _, s := range services {
		t := Target{s.Host, s.Port}
		if seen[t] {
			continue
		}
		seen[t] = true
		if i := slices.IndexFunc(dropped, func(in *lane) bool { return in.target == t }); i >= 0 {
			l.inner.tiers = append(l.inner.tiers, []*lane{dropped[i]})
			dropped = slices.Delete(dropped, i, i+1)
			continue
		}
		in := r.schedule.newLane(t)
		l.inner.tiers = append(l.inner.tiers, []*lane{in})
		if _, ok := t.literal(); !ok {
			// A name, whatever it looks like: services could lead to each other
			// for ever, and what is a MAC or a socket is not for DNS to say. It is
			// absolute (RFC 2782): the search list is not for it.
			r.askName(in, s.Host+".")
			continue
		}
		r.prepare(in)
	}
	for _, in := range dropped {
		r.discard(in)
	}
}

// discard forgets l, which no longer has a place in the race, and its lookups.
func (r *running) discard(l *lane) {
	l.queue, l.group, l.err, l.waits = [2][]group{}, nil, nil, 0
	for q := range r.lookups {
		if q.lane == l.index && q.kind != askNAT64 {
			_ = r.sys.Abandon(q)
			delete(r.lookups, q)
		}
	}
}

// notFound reports whether err says no more than that there is no address.
func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}
