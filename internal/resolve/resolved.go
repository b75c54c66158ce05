package resolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// resolvedSocket is where systemd-resolved speaks varlink (varlink.org):
// objects of JSON with a NUL after each.
var resolvedSocket = "/run/systemd/resolve/io.systemd.Resolve"

// Families as resolved calls them: Linux's AF_INET and AF_INET6.
var resolvedFamily = map[string]int{"ip4": 2, "ip6": 10}

func askResolved(ctx context.Context, network, host string) ([]netip.Addr, error) {
	request, err := json.Marshal(map[string]any{
		"method":     "io.systemd.Resolve.ResolveHostname",
		"parameters": map[string]any{"name": host, "family": resolvedFamily[network]},
	})
	if err != nil {
		return nil, err
	}
	answer, err := askDaemon(ctx, resolvedSocket, string(request)+"\x00", 0)
	if err != nil {
		return nil, err
	}
	return parseResolved(answer, network)
}

// parseResolved reads the answer to ResolveHostname.
func parseResolved(answer []byte, network string) (addrs []netip.Addr, err error) {
	var a struct {
		Error      string
		Parameters struct {
			Addresses []struct {
				Ifindex int
				Address []byte // in JSON an array of numbers
			}
		}
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("an answer that is not understood: %w", err)
	}
	switch why := strings.TrimPrefix(a.Error, "io.systemd.Resolve."); why {
	case "":
	case "NoNameServers":
		return nil, errors.New(`it does no Multicast DNS ("resolvectl mdns" shows and sets it)`)
	default:
		return nil, errors.New(why)
	}
	for _, one := range a.Parameters.Addresses {
		if addr, ok := netip.AddrFromSlice(one.Address); ok && in(network, addr) {
			addrs = append(addrs, scoped(addr, one.Ifindex))
		}
	}
	if len(addrs) == 0 {
		return nil, errors.New("an answer without an address")
	}
	return addrs, nil
}
