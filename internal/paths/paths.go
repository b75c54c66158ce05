// Package paths lists the paths that an MPTCP connection from this machine uses or could
// use, and the commands that add the missing ones.
//
//	addresses, routes  ──┐
//	of the interfaces    ├──> list ──> a Path for each way out, with a Command
//	mptcp.Endpoints    ──┘             where something is missing
//
// Whether the paths are used depends on mptcp.ReadLimits, too: see LimitsCommand.
package paths

import (
	"fmt"
	"net/netip"
	"slices"

	"fdrace/mptcp"
)

// A Path is an interface, for the connections of one family: an IPv4 one never
// gets subflows of IPv6, nor the reverse.
type Path struct {
	Interface string
	Addr      netip.Addr   // of the endpoint, or the best address for one
	Addrs     []netip.Addr // all global addresses of the interface in that family

	Endpoint         bool // each connection gets a subflow from Addr
	Backup           bool // which carries data only when no other does
	UnboundInterface bool // the endpoint is not bound to Interface: its subflow leaves by the route to the server, through whichever interface
	Gateway          bool // there is a default route by Interface; without one a subflow reaches its own link only

	id uint8 // of the endpoint that Addr has, useful or not; 0: none
}

// String returns the path in one line, without the Command.
func (p Path) String() string {
	what := "no endpoint"
	if p.Endpoint {
		what = "endpoint"
	}
	if p.Backup {
		what += ", backup"
	}
	if p.UnboundInterface {
		what += ", not bound to " + p.Interface
	}
	if !p.Gateway {
		what += ", no default route"
	}
	return fmt.Sprintf("%s (%s): %s", p.Interface, p.Addr, what)
}

// Command returns the shell command, for root, that gives connections a subflow from this
// path. It is empty if they have one already, or if there is no default route: most such
// interfaces lead to containers and the like, not to servers.
func (p Path) Command() string {
	if p.Endpoint && !p.UnboundInterface || !p.Gateway {
		return ""
	}
	add := fmt.Sprintf("ip mptcp endpoint add %s dev %s subflow", p.Addr, p.Interface)
	if p.Backup {
		add += " backup"
	}
	if p.id != 0 { // the kernel has one for an address, and changes neither its flags nor its interface
		return fmt.Sprintf("ip mptcp endpoint delete id %d && %s", p.id, add)
	}
	return add
}

// LimitsCommand returns the shell command, for root, that raises the limit to one subflow
// for each path of all. It is empty if the limit is high enough.
func LimitsCommand(l mptcp.Limits, all []Path) string {
	most := 0
	for _, v4 := range []bool{true, false} {
		n := 0
		for _, p := range all {
			if p.Addr.Is4() == v4 && p.Gateway {
				n++
			}
		}
		most = max(most, n-1) // the first subflow is not counted
	}
	if l.Subflows >= most {
		return ""
	}
	return fmt.Sprintf("ip mptcp limits set subflows %d", most)
}

// List returns the paths of this machine, in the order of its interfaces, IPv4
// first. An interface is one that is up, has its carrier, is not loopback, and
// has an address that reaches beyond its link and stays (RFC 8981's temporary
// ones do not). If several of its addresses have an endpoint, each is a Path.
// It needs no privilege; its errors are those of mptcp.Endpoints.
func List() ([]Path, error) {
	endpoints, err := mptcp.Endpoints()
	if err != nil {
		return nil, err
	}
	interfaces, err := read()
	if err != nil {
		return nil, fmt.Errorf("read the addresses of this machine: %w", err)
	}
	return list(interfaces, endpoints), nil
}

// A link is a network interface as the kernel describes it.
type link struct {
	name       string
	index      int
	addrs      []address
	gateway    bool // there is a default route of IPv4 by it
	gatewayIP6 bool
}

type address struct {
	netip.Addr
	temporary bool // it is temporary, deprecated, or not known to be unique
}

func list(links []link, endpoints []mptcp.Endpoint) (all []Path) {
	for _, l := range links {
		all = append(all, l.paths(true, l.gateway, endpoints)...)
		all = append(all, l.paths(false, l.gatewayIP6, endpoints)...)
	}
	return all
}

// paths returns those of one family: of the addresses with an endpoint that
// makes subflows, or else the one of the best address.
func (l link) paths(v4, gateway bool, endpoints []mptcp.Endpoint) (all []Path) {
	family := Path{Interface: l.name, Gateway: gateway}
	var candidates []Path
	for _, a := range l.addrs {
		if a.Is4() != v4 || !a.IsGlobalUnicast() {
			continue
		}
		family.Addrs = append(family.Addrs, a.Addr)
		p := family
		p.Addr = a.Addr
		p.take(endpoints, l.index)
		if p.Endpoint {
			all = append(all, p)
		} else if !a.temporary {
			candidates = append(candidates, p)
		}
	}
	if len(all) == 0 && len(candidates) > 0 {
		// A unique local address (RFC 4193) reaches less than a global one.
		best := 0
		if !v4 {
			best = max(0, slices.IndexFunc(candidates, func(p Path) bool { return !p.Addr.IsPrivate() }))
		}
		all = candidates[best : best+1]
	}
	for i := range all {
		all[i].Addrs = family.Addrs
	}
	return all
}

// take finds p.Addr's endpoint.
func (p *Path) take(endpoints []mptcp.Endpoint, index int) {
	i := slices.IndexFunc(endpoints, func(e mptcp.Endpoint) bool { return e.Addr == p.Addr })
	if i < 0 {
		return
	}
	e := endpoints[i]
	if e.Flags&mptcp.FlagImplicit != 0 { // another one takes its place
		return
	}
	p.id = e.ID
	p.Endpoint = e.Flags&mptcp.FlagSubflow != 0
	p.Backup = p.Endpoint && e.Flags&mptcp.FlagBackup != 0
	p.UnboundInterface = p.Endpoint && e.Index != index
}
