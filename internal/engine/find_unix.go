//go:build unix

package engine

import (
	"net/netip"

	"fdrace/internal/resolve"
)

// resolve answers q by the resolver it is for.
func (k *kernel) resolve(q question) {
	a := answer{question: q}
	switch q.kind {
	case askAAAA:
		a.addrs, a.err = k.name("ip6", q.host)
	case askA:
		a.addrs, a.err = k.name("ip4", q.host)
	case askMAC:
		a = k.findMAC(q)
	case askLinks:
		a.addrs, a.err = resolve.EveryLink(netip.MustParseAddr(q.host))
	case askSRV:
		a.services, a.err = resolve.SRV(k.ctx, q.host)
	case askMachine:
		a.socket, a.err = resolve.Machine(k.ctx, q.host)
	case askNAT64:
		a.prefixes, a.err = resolve.NAT64Prefixes(k.ctx)
	}
	k.post(a)
}

func (k *kernel) name(network, host string) ([]netip.Addr, error) {
	if resolve.IsMDNS(host) {
		return resolve.MDNS(k.ctx, network, host)
	}
	return resolve.Addrs(k.ctx, network, host)
}

// findMAC posts at once what can be known without a packet. If the neighbor table has not seen
// the host, it goes on and solicits it.
func (k *kernel) findMAC(q question) answer {
	network := [...]string{AnyFamily: "ip", IPv4: "ip4", IPv6: "ip6"}[k.dialer.family()]
	mac, _, err := resolve.ParseMAC(q.host)
	if err != nil {
		return answer{question: q, err: err}
	}
	addrs, seen, err := resolve.MACAddrs(network, mac)
	if seen > 0 {
		return answer{question: q, addrs: addrs, err: err}
	}
	k.post(answer{question: q, addrs: addrs, more: true})
	err = resolve.SolicitNeighbor(k.ctx, network, mac, func(addrs []netip.Addr) {
		k.post(answer{question: q, addrs: addrs, more: true})
	})
	return answer{question: q, err: err}
}
