package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"fdrace/internal/stub"
)

// enqueue queues those of addrs that this race can use, and rejects the others. If together,
// they start at the same time.
func (r *race) enqueue(l *lane, addrs []netip.Addr, together bool) {
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
			r.reject(l, ap, fmt.Errorf("not an %s address", r.family))
		case r.zoneMismatch(a):
			r.reject(l, ap, fmt.Errorf("not on %s", r.Interface))
		case bare:
			r.ask(l, askLinks, a.String())
		default:
			g = append(g, ap)
		}
	}
	if len(g) == 0 {
		return
	}
	if !l.hasAddrs {
		l.hasAddrs = true
		l.resolutionDeadline = r.sys.Now()
		begun := slices.ContainsFunc(addrs, func(a netip.Addr) bool { return r.isStarted(l, a) })
		if (l.awaitingA || l.awaitingAAAA && r.sys.Route(IPv6)) && !begun {
			l.resolutionDeadline += stub.ResolutionDelay
		}
	}
	if together {
		l.addGroup(g)
	} else {
		l.add(g...)
	}
}

// isStarted reports whether there is a socket for a in Started.
func (r *race) isStarted(l *lane, a netip.Addr) bool {
	_, ok := r.started.Sockets[netip.AddrPortFrom(a, l.target.Port)]
	return ok
}

// withCommonZone returns a with the name by which the race calls the interface of its
// zone: fe80::1%2, fe80::1%eth0 and the address with an alternative name of eth0 are one
// candidate.
func (r *race) withCommonZone(a netip.Addr) netip.Addr {
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
func (r *race) zoneMismatch(a netip.Addr) bool {
	return r.Interface != "" && a.Zone() != "" && a.Zone() != r.Interface
}

// reject records an address that this race cannot use, once.
func (r *race) reject(l *lane, addr Addr, why error) {
	if r.rejected[addr] {
		return
	}
	if r.rejected == nil {
		r.rejected = map[Addr]bool{}
	}
	r.rejected[addr] = true
	r.recordFailure(Failure{Candidate: Candidate{Target: l.target, Addr: addr}, Err: why})
}

// hostAddrs returns those of addrs that can be a host's, and rejects the others.
func (r *race) hostAddrs(l *lane, addrs []netip.Addr) []netip.Addr {
	if !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !canBeHost(a) }) {
		return addrs
	}
	var hosts []netip.Addr
	for _, addr := range addrs {
		if canBeHost(addr) {
			hosts = append(hosts, addr)
		} else {
			r.reject(l, l.addr(addr), errNoHost)
		}
	}
	return hosts
}

// errNoHost is the error of an address that hostAddrs has rejected.
var errNoHost = errors.New("no host has this address: a block list, or a wrong record")

// sort puts the addresses of l that have not started into the order of RFC 6724. The family
// of the first one has the first turn (RFC 8305 section 4).
func (r *race) sort(l *lane) {
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
	if i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return r.isStarted(l, a) }); i > 0 && !l.started {
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

// FarIPv4 and FarIPv6 return addresses of the root name server A, to look up a route to the
// internet. Nothing is sent to them.
func FarIPv4() netip.Addr { return netip.AddrFrom4([4]byte{198, 41, 0, 4}) }
func FarIPv6() netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 13: 0x02, 15: 0x30})
}

// prefersIPv4 reports whether RFC 6724 puts a global IPv4 address before all of addrs, as it
// does if those are unique local addresses (ULA).
func (r *race) prefersIPv4(addrs []netip.Addr) bool {
	list := append(slices.Clip(addrs), FarIPv4())
	r.sys.Sort(list)
	return list[0].Is4()
}
