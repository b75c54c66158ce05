package paths

import (
	"net/netip"
	"slices"
	"testing"

	"fdrace/mptcp"
)

func stays(s string) address  { return address{Addr: netip.MustParseAddr(s)} }
func passes(s string) address { return address{Addr: netip.MustParseAddr(s), temporary: true} }

func endpoint(id uint8, addr string, index int, flags mptcp.Flags) mptcp.Endpoint {
	return mptcp.Endpoint{ID: id, Addr: netip.MustParseAddr(addr), Index: index, Flags: flags}
}

func TestList(t *testing.T) {
	wlan := link{name: "wlan0", index: 2, gateway: true, gatewayIP6: true, addrs: []address{
		stays("192.0.2.9"), passes("2001:db8::9"), stays("fd00::9"), stays("2001:db8::8"), stays("fe80::9")}}
	lte := link{name: "wwan0", index: 3, gateway: true, addrs: []address{stays("198.51.100.9")}}
	bridge := link{name: "docker0", index: 4, addrs: []address{stays("172.17.0.1")}}
	local := link{name: "eth0", index: 5, gateway: true, gatewayIP6: true, addrs: []address{
		stays("169.254.7.7"), stays("fe80::5"), passes("2001:db8:5::5")}}
	for _, tt := range []struct {
		name      string
		links     []link
		endpoints []mptcp.Endpoint
		want      []string // each with its command
	}{
		{"nothing", nil, nil, nil},
		{"no endpoint", []link{wlan, lte}, nil, []string{
			"wlan0 (192.0.2.9): no endpoint: ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
			"wlan0 (2001:db8::8): no endpoint: ip mptcp endpoint add 2001:db8::8 dev wlan0 subflow",
			"wwan0 (198.51.100.9): no endpoint: ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow",
		}},
		{"as NetworkManager makes them, and one by hand", []link{wlan, lte}, []mptcp.Endpoint{
			endpoint(1, "192.0.2.9", 2, mptcp.FlagSubflow),
			endpoint(2, "198.51.100.9", 3, mptcp.FlagSubflow|mptcp.FlagBackup),
			endpoint(3, "2001:db8::9", 2, mptcp.FlagSubflow|mptcp.FlagFullmesh),
		}, []string{
			"wlan0 (192.0.2.9): endpoint: ",
			"wlan0 (2001:db8::9): endpoint: ",
			"wwan0 (198.51.100.9): endpoint, backup: ",
		}},
		{"two of one interface", []link{wlan}, []mptcp.Endpoint{
			endpoint(1, "fd00::9", 2, mptcp.FlagSubflow), endpoint(2, "2001:db8::8", 2, mptcp.FlagSubflow),
		}, []string{
			"wlan0 (192.0.2.9): no endpoint: ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
			"wlan0 (fd00::9): endpoint: ",
			"wlan0 (2001:db8::8): endpoint: ",
		}},
		{"bound to none, and to another", []link{lte, wlan}, []mptcp.Endpoint{
			endpoint(1, "198.51.100.9", 0, mptcp.FlagSubflow|mptcp.FlagBackup), endpoint(2, "192.0.2.9", 3, mptcp.FlagSubflow),
			endpoint(3, "2001:db8::8", 2, mptcp.FlagSubflow),
		}, []string{
			"wwan0 (198.51.100.9): endpoint, backup, not bound to wwan0: ip mptcp endpoint delete id 1 && ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow backup",
			"wlan0 (192.0.2.9): endpoint, not bound to wlan0: ip mptcp endpoint delete id 2 && ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
			"wlan0 (2001:db8::8): endpoint: ",
		}},
		{"a server's, and one that the kernel made", []link{lte, wlan}, []mptcp.Endpoint{
			endpoint(1, "198.51.100.9", 3, mptcp.FlagSignal), endpoint(2, "192.0.2.9", 2, mptcp.FlagSubflow|mptcp.FlagImplicit),
			endpoint(3, "2001:db8::8", 2, mptcp.FlagSubflow),
		}, []string{
			"wwan0 (198.51.100.9): no endpoint: ip mptcp endpoint delete id 1 && ip mptcp endpoint add 198.51.100.9 dev wwan0 subflow",
			"wlan0 (192.0.2.9): no endpoint: ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow",
			"wlan0 (2001:db8::8): endpoint: ",
		}},
		{"no way to the world", []link{bridge, local}, []mptcp.Endpoint{endpoint(1, "192.0.2.9", 2, mptcp.FlagSubflow)}, []string{
			"docker0 (172.17.0.1): no endpoint, no default route: ",
		}},
	} {
		var got []string
		for _, p := range list(tt.links, tt.endpoints) {
			got = append(got, p.String()+": "+p.Command())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestAddrs(t *testing.T) {
	l := link{name: "wlan0", index: 2, addrs: []address{
		stays("192.0.2.9"), passes("2001:db8::9"), stays("2001:db8::8"), stays("fe80::9")}}
	want := [][]netip.Addr{{l.addrs[0].Addr}, {l.addrs[1].Addr, l.addrs[2].Addr}}
	for i, p := range list([]link{l}, nil) {
		if !slices.Equal(p.Addrs, want[i]) {
			t.Errorf("%v has %v, want %v", p, p.Addrs, want[i])
		}
	}
}

func TestLimitsCommand(t *testing.T) {
	way := func(addr string) Path { return Path{Addr: netip.MustParseAddr(addr), Gateway: true} }
	three := []Path{way("192.0.2.1"), way("192.0.2.2"), way("192.0.2.3"), way("2001:db8::1"), {Addr: netip.MustParseAddr("172.17.0.1")}}
	for _, tt := range []struct {
		subflows int
		all      []Path
		want     string
	}{
		{0, nil, ""},
		{0, three[:1], ""},
		{0, three[:2], "ip mptcp limits set subflows 1"},
		{1, three, "ip mptcp limits set subflows 2"},
		{2, three, ""},
	} {
		if got := LimitsCommand(mptcp.Limits{Subflows: tt.subflows}, tt.all); got != tt.want {
			t.Errorf("%d subflows, %d paths: %q, want %q", tt.subflows, len(tt.all), got, tt.want)
		}
	}
}
