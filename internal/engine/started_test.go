package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestStartedNames: a connection that was begun before the race, which goes on after
// 200 ms, is the first of its target, and all that follows keeps the time it has from
// there.
func TestStartedNames(t *testing.T) {
	at := func(addr string, at time.Duration) map[netip.AddrPort]StartedSocket {
		return map[netip.AddrPort]StartedSocket{netip.AddrPortFrom(netip.MustParseAddr(addr), 22): {At: at}}
	}
	for _, tt := range []struct {
		name  string
		begun map[netip.AddrPort]StartedSocket
		dns   zone
		hosts hosts
		want  string
	}{
		{"the next address, 250 ms after it", at("fd99::1", 10*ms), zone{"box AAAA": {addrs: "fd99::1"}, "box A": {addrs: "10.0.0.1"}}, hosts{"10.0.0.1": {rtt: 20 * ms}},
			"200 syn fd99::1; 260 syn 10.0.0.1; 280 close fd99::1; 280 wins 10.0.0.1; 280 2 of 2 tried, by box:22"},
		{"IPv4, which does not wait for AAAA again", at("10.0.0.1", 60*ms), zone{"box A": {addrs: "10.0.0.1"}, "box AAAA": {after: 30 * ms, addrs: "fd99::1"}}, hosts{"fd99::1": {rtt: 20 * ms}},
			"200 syn 10.0.0.1; 310 syn fd99::1; 330 close 10.0.0.1; 330 wins fd99::1; 330 2 of 2 tried, by box:22"},
		{"IPv4, though AAAA is there by now", at("10.0.0.1", 60*ms), zone{"box A": {addrs: "10.0.0.2 10.0.0.1"}, "box AAAA": {addrs: "fd99::1"}}, hosts{"fd99::1": {rtt: 20 * ms}},
			"200 syn 10.0.0.1; 310 syn fd99::1; 330 close 10.0.0.1; 330 wins fd99::1; 330 2 of 3 tried, by box:22"},
		{"NAT64, 250 ms after it", at("10.0.0.1", 60*ms), zone{"box A": {addrs: "10.0.0.1"}, "box AAAA": {err: nxdomain}, "NAT64": {addrs: "64:ff9b::/96"}}, hosts{"64:ff9b::a00:1": {rtt: 20 * ms}},
			"200 syn 10.0.0.1; 310 syn 64:ff9b::a00:1; 330 close 10.0.0.1; 330 wins 64:ff9b::a00:1; 330 2 of 2 tried, by box:22"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{now: 200 * ms, started: Started{Sockets: tt.begun}, dns: tt.dns, hosts: tt.hosts}
			got := f.race(t, Dialer{}, "box")
			if want := strings.ReplaceAll(tt.want, "; ", "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
