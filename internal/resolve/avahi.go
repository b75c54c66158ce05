package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fdrace/internal/term"
)

// avahiSocket is where avahi-daemon speaks its simple protocol: the client sends
// one request in a line, and the daemon sends one line and closes the connection.
// The line has a single address. If there is none, the daemon replies after 5 s.
var avahiSocket = "/run/avahi-daemon/socket"

func askAvahi(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if strings.ContainsAny(host, " \t\r\n") {
		return nil, errors.New("not a host name")
	}
	request := "RESOLVE-HOSTNAME-IPV4 "
	if network == "ip6" {
		request = "RESOLVE-HOSTNAME-IPV6 "
	}
	line, err := askDaemon(ctx, avahiSocket, request+host+"\n", '\n')
	if err != nil {
		return nil, err
	}
	return parseAvahi(string(line), network)
}

// parseAvahi parses "+ 2 1 box.local 2001:db8::1" or "-15 Timeout reached". The
// first number is the index of the interface, or -1. The second one, 0 for IPv4 and
// 1 for IPv6, says how the answer came, and not the family of the address.
func parseAvahi(line, network string) ([]netip.Addr, error) {
	if code, reason, ok := strings.Cut(line, " "); ok && strings.HasPrefix(code, "-") {
		return nil, errors.New(term.Sanitize(reason))
	}
	f := strings.Fields(line)
	if len(f) != 5 || f[0] != "+" {
		return nil, fmt.Errorf("%w: %q", errMalformed, term.Sanitize(line))
	}
	index, err := strconv.ParseInt(f[1], 10, 32)
	addr, addrErr := netip.ParseAddr(f[4])
	if err != nil || addrErr != nil || addr.Zone() != "" {
		return nil, fmt.Errorf("%w: %q", errMalformed, term.Sanitize(line))
	}
	if !inFamily(network, addr) {
		return nil, fmt.Errorf("an address of the other family: %v", addr)
	}
	return []netip.Addr{scoped(addr, int(index))}, nil
}
