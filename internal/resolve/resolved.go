package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// resolvedSocket is where systemd-resolved speaks varlink, with or without D-Bus.
var resolvedSocket = "/run/systemd/resolve/io.systemd.Resolve"

// resolvedFamily has Linux's AF_INET and AF_INET6, whatever system this is.
var resolvedFamily = map[string]int{"ip4": 2, "ip6": 10}

// A resolvedReply has the parameters of a reply to ResolveHostname.
type resolvedReply struct {
	Addresses []struct {
		IfIndex int
		Address []byte // in JSON an array of numbers
	}
}

func askResolved(ctx context.Context, network, host string) ([]netip.Addr, error) {
	var r resolvedReply
	err := callVarlink(ctx, resolvedSocket, "io.systemd.Resolve.ResolveHostname",
		map[string]any{"name": host, "family": resolvedFamily[network]}, &r)
	if errors.Is(err, varlinkError("io.systemd.Resolve.NoNameServers")) {
		return nil, fmt.Errorf(`mDNS is off (%w; "resolvectl mdns" shows and sets it)`, err)
	}
	if err != nil {
		return nil, err
	}
	return r.addrs(network)
}

// addrs returns the addresses of one family. A link-local one has its interface as
// zone.
func (r *resolvedReply) addrs(network string) (addrs []netip.Addr, err error) {
	for _, a := range r.Addresses {
		if addr, ok := netip.AddrFromSlice(a.Address); ok && inFamily(network, addr) {
			addrs = append(addrs, scoped(addr, a.IfIndex))
		}
	}
	if len(addrs) == 0 {
		return nil, errors.New("a reply without an address")
	}
	return addrs, nil
}
