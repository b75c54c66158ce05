package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// avahiSocket is where avahi-daemon speaks its simple protocol: one question in
// a line, one answer, and it hangs up.
var avahiSocket = "/run/avahi-daemon/socket"

func askAvahi(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if strings.ContainsAny(host, " \t\r\n") {
		return nil, errors.New("not a host name")
	}
	question := "RESOLVE-HOSTNAME-IPV4 "
	if network == "ip6" {
		question = "RESOLVE-HOSTNAME-IPV6 "
	}
	answer, err := askDaemon(ctx, avahiSocket, question+host+"\n", '\n')
	if err != nil {
		return nil, err
	}
	return parseAvahi(string(answer), network)
}

// parseAvahi reads "+ 2 1 box.local 2001:db8::1", where 2 is the interface and
// 1 the protocol, or "-15 Timeout reached".
func parseAvahi(answer, network string) ([]netip.Addr, error) {
	if number, why, ok := strings.Cut(answer, " "); ok && strings.HasPrefix(number, "-") {
		return nil, errors.New(why)
	}
	f := strings.Fields(answer)
	if len(f) != 5 || f[0] != "+" {
		return nil, fmt.Errorf("an answer that is not understood: %q", answer)
	}
	index, err := strconv.ParseUint(f[1], 10, 31)
	addr, err2 := netip.ParseAddr(f[4])
	if err = errors.Join(err, err2); err != nil || !in(network, addr) {
		return nil, fmt.Errorf("an answer that is not understood: %q", answer)
	}
	return []netip.Addr{scoped(addr, int(index))}, nil
}
