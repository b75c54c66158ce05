package engine

import (
	"net/netip"
	"slices"

	"fdrace/internal/rawsys"
	"fdrace/internal/stub"
)

// Sort puts addresses into the order of RFC 6724 section 6.
func (k *kernel) Sort(addrs []netip.Addr) {
	var policy stub.Policy
	if slices.ContainsFunc(addrs, netip.Addr.Is4) && slices.ContainsFunc(addrs, netip.Addr.Is6) {
		rawsys.ReadPolicy(&policy, k.names.buffer()) // it only matters between families
	}
	list := make([]stub.Dest, len(addrs))
	for i, a := range addrs {
		source := k.dialer.source(a)
		list[i] = stub.Dest{Addr: fromNetip(a), Source: fromNetip(source), HasSource: source.IsValid()}
	}
	policy.Sort(list)
	for i := range list {
		addrs[i] = toNetip(&list[i].Addr)
	}
}

// source returns the local address from which the kernel would connect to a, or one that
// is not valid if there is no route.
func (d *Dialer) source(a netip.Addr) netip.Addr {
	if d.Bind.IsValid() {
		return d.Bind
	}
	var source stub.Addr
	if to := fromNetip(a); !rawsys.Source(&to, &source, d.Interface) {
		return netip.Addr{}
	}
	return toNetip(&source)
}
