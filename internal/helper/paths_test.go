//go:build unix

package helper

import (
	"net/netip"
	"slices"
	"testing"

	"fdrace/internal/paths"
	"fdrace/mptcp"
)

func TestPaths(t *testing.T) {
	way := func(name, addr string) paths.Path {
		a := netip.MustParseAddr(addr)
		return paths.Path{Interface: name, Addr: a, Addrs: []netip.Addr{a}, Gateway: true}
	}
	joins := func(p paths.Path) paths.Path { p.Endpoint = true; return p }
	leadsNowhere := func(p paths.Path) paths.Path { p.Gateway = false; return p }
	wlan, lte, eth := way("wlan0", "192.0.2.9"), way("wwan0", "198.51.100.9"), way("eth0", "203.0.113.9")
	wlan6, bridge := way("wlan0", "2001:db8::9"), leadsNowhere(way("docker0", "172.17.0.1"))
	wlan6.Addrs = append(wlan6.Addrs, netip.MustParseAddr("2001:db8::aaaa"))
	for _, tt := range []struct {
		name  string
		all   []paths.Path
		local string
		only  string
		each  []string
	}{
		{"none", nil, "192.0.2.9", "", nil},
		{"loopback", []paths.Path{bridge}, "127.0.0.1", "", []string{"path docker0 (172.17.0.1): no endpoint, no default route"}},
		{"one", []paths.Path{wlan, wlan6, bridge}, "192.0.2.9", "", []string{
			"path wlan0 (192.0.2.9): no endpoint, in use: ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
			"path docker0 (172.17.0.1): no endpoint, no default route"}},
		{"one of IPv6, in use by a temporary address", []paths.Path{wlan, wlan6, lte}, "2001:db8::aaaa", "", []string{
			"path wlan0 (2001:db8::9): no endpoint, in use: ip mptcp endpoint add 2001:db8::9 dev wlan0 subflow"}},
		{"three, and no endpoint", []paths.Path{bridge, lte, wlan, eth}, "192.0.2.9",
			"only wlan0 is used; to use wwan0 too, run: ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow", []string{
				"path docker0 (172.17.0.1): no endpoint, no default route",
				"path wwan0 (198.51.100.9): no endpoint: ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow",
				"path wlan0 (192.0.2.9): no endpoint, in use: ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
				"path eth0 (203.0.113.9): no endpoint: ip mptcp endpoint add 203.0.113.9 dev eth0 subflow",
				"subflows beside the first are limited to 1: ip mptcp limits set subflows 2"}},
		{"the one in use has the only endpoint", []paths.Path{joins(wlan), lte}, "192.0.2.9",
			"only wlan0 is used; to use wwan0 too, run: ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow", []string{
				"path wlan0 (192.0.2.9): endpoint, in use",
				"path wwan0 (198.51.100.9): no endpoint: ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow"}},
		{"a second path", []paths.Path{wlan, joins(lte)}, "192.0.2.9", "", []string{
			"path wlan0 (192.0.2.9): no endpoint, in use: ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
			"path wwan0 (198.51.100.9): endpoint"}},
	} {
		local := netip.MustParseAddr(tt.local)
		if got := onlyPath(tt.all, local); got != tt.only {
			t.Errorf("%s: -v:\ngot  %q\nwant %q", tt.name, got, tt.only)
		}
		if got := eachPath(tt.all, mptcp.Limits{Subflows: 1}, local); !slices.Equal(got, tt.each) {
			t.Errorf("%s: -vv:\ngot  %q\nwant %q", tt.name, got, tt.each)
		}
	}
}
