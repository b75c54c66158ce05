//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// A Network is a near host, a far host, and the wire that carries their links. What its
// methods make is closed with it.
type Network struct {
	Near, Far *Host
	Wire      *Wire
	closers   []func() error
}

// NewNetwork makes a network without links; the wire's losses are drawn from seed. The
// caller closes it.
func NewNetwork(seed uint64) (*Network, error) {
	n := &Network{}
	var err error
	if n.Near, err = NewHost("near"); err == nil {
		if n.Far, err = NewHost("far"); err == nil {
			n.Wire, err = NewWire(seed)
		}
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Link adds a link between the hosts, whose fields Near and Far it sets.
func (n *Network) Link(l Link) (*Link, error) {
	l.Near, l.Far = n.Near, n.Far
	return n.Wire.Add(&l)
}

// Serve starts a TCP server of the far host.
func (n *Network) Serve(at netip.AddrPort, b Behavior) (*Server, error) {
	s, err := Serve(n.Far, at, b)
	if err == nil {
		n.closers = append(n.closers, s.Close)
	}
	return s, err
}

// ServeDNS starts a name server in h, and makes it the one that the near host asks.
func (n *Network) ServeDNS(h *Host, at netip.Addr) (*DNS, error) {
	d, err := n.Wire.ServeDNS(h, netip.AddrPortFrom(at, dnsPort))
	if err != nil {
		return nil, err
	}
	n.closers = append(n.closers, d.Close)
	return d, n.Near.File("/etc/resolv.conf", fmt.Sprintf("nameserver %v\n", at))
}

// Close closes the servers, the wire and, with all that runs there, the hosts.
func (n *Network) Close() (err error) {
	for _, c := range slices.Backward(n.closers) {
		err = errors.Join(err, c())
	}
	if n.Wire != nil {
		err = errors.Join(err, n.Wire.Close())
	}
	for _, h := range []*Host{n.Near, n.Far} {
		if h != nil {
			err = errors.Join(err, h.Close())
		}
	}
	return err
}
