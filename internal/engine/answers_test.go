package engine

import (
	"errors"
	"testing"
	"time"
)

// What targets mean, and what the race makes of the answers.
var targetRaces = []raceCase{
	{
		name: "a Unix socket and a virtual machine are lanes like any other", targets: "unix:/run/box vsock:3 10.0.0.1",
		dialer: Dialer{Transports: twoTransports},
		hosts:  hosts{"10.0.0.1 mptcp": {rtt: 20 * ms}},
		want: "0 syn unix:/run/box; 0 syn vsock:3:22; 0 syn 10.0.0.1 mptcp; 20 close unix:/run/box; 20 close vsock:3:22; " +
			"20 wins 10.0.0.1 mptcp; 20 3 of 3 tried, by 10.0.0.1:22",
	},
	{
		name: "a link-local address without a zone: every link at once", targets: "fe80::1",
		zone:  zone{"fe80::1 LINKS": {addrs: "fe80::1%eth0 fe80::1%eth1 fe80::1%wlan0"}},
		hosts: hosts{"fe80::1%wlan0": {rtt: 1 * ms}},
		want: "0 syn fe80::1%eth0; 0 syn fe80::1%eth1; 0 syn fe80::1%wlan0; " +
			"1 close fe80::1%eth0; 1 close fe80::1%eth1; 1 wins fe80::1%wlan0; 1 3 of 3 tried, by [fe80::1]:22",
	},
	{
		name: "a name that is a link-local address and another", targets: "box",
		zone: zone{"box AAAA": {addrs: "fe80::1 fd99::1"}, "box A": {err: nxdomain}, "fe80::1 LINKS": {addrs: "fe80::1%eth0 fe80::1%eth1"}},
		want: "0 syn fd99::1; 250 syn fe80::1%eth0; 250 syn fe80::1%eth1; 300 close fd99::1; 300 close fe80::1%eth0; 300 close fe80::1%eth1; " +
			"300 race: context deadline exceeded; " +
			"  connect tcp [fd99::1]:22: context deadline exceeded at 300;   connect tcp [fe80::1%eth0]:22: context deadline exceeded at 300; " +
			"  connect tcp [fe80::1%eth1]:22: context deadline exceeded at 300",
		dialer: Dialer{Timeout: 300 * ms},
	},
	{
		name: "a MAC: all at once, and again what a solicitation found", targets: "00:00:07:cf:10:0a",
		zone: zone{
			"00:00:07:cf:10:0a MAC":       {after: 2 * ms, addrs: "fe80::200:7ff:fecf:100a%eth0 10.0.0.1", more: true},
			"00:00:07:cf:10:0a MAC again": {after: 100 * ms, addrs: "10.0.0.1 10.0.0.2"}},
		hosts: hosts{"10.0.0.2": {rtt: 1 * ms}},
		want: "2 syn fe80::200:7ff:fecf:100a%eth0; 2 syn 10.0.0.1; 100 syn 10.0.0.2; " +
			"101 close fe80::200:7ff:fecf:100a%eth0; 101 close 10.0.0.1; 101 wins 10.0.0.2; 101 3 of 3 tried, by 00:00:07:cf:10:0a port 22",
	},
	{
		name: "a MAC: none waits for another, also where both answers are there at once", targets: "00:00:07:cf:10:0a",
		zone: zone{
			"00:00:07:cf:10:0a MAC":       {after: 2 * ms, addrs: "fe80::200:7ff:fecf:100a%eth0", more: true},
			"00:00:07:cf:10:0a MAC again": {after: 2 * ms, addrs: "10.0.0.2"}},
		hosts: hosts{"10.0.0.2": {rtt: 1 * ms}},
		want: "2 syn fe80::200:7ff:fecf:100a%eth0; 2 syn 10.0.0.2; 3 close fe80::200:7ff:fecf:100a%eth0; " +
			"3 wins 10.0.0.2; 3 2 of 2 tried, by 00:00:07:cf:10:0a port 22",
	},
	{
		name: "a MAC: nothing shows itself", targets: "00:00:07:cf:10:0a", dialer: Dialer{Timeout: 300 * ms},
		zone: zone{
			"00:00:07:cf:10:0a MAC":       {after: 2 * ms, addrs: "fe80::200:7ff:fecf:100a%eth0", more: true},
			"00:00:07:cf:10:0a MAC again": {after: 100 * ms, err: errors.New("no answer from IPv6 on eth0")}},
		want: "2 syn fe80::200:7ff:fecf:100a%eth0; 252 syn fe80::200:7ff:fecf:100a%eth0; 300 close fe80::200:7ff:fecf:100a%eth0; " +
			"300 close fe80::200:7ff:fecf:100a%eth0; 300 race: context deadline exceeded; " +
			"  00:00:07:cf:10:0a: no answer from IPv6 on eth0 at 100; " +
			"  connect tcp [fe80::200:7ff:fecf:100a%eth0]:22: context deadline exceeded at 300;   in 2 attempts",
	},
	{
		name: "a MAC that nobody knows", targets: "00-00-07-CF-10-0A",
		zone: zone{"00-00-07-CF-10-0A MAC": {after: 2 * ms, err: errors.New("nobody here has that MAC")}},
		want: "2 race: 00-00-07-CF-10-0A: nobody here has that MAC;   00-00-07-CF-10-0A: nobody here has that MAC at 2",
	},
	{
		name: "SRV: each server one delay behind the one before, at its own port", targets: "_ssh._tcp.lab",
		zone: zone{"_ssh._tcp.lab SRV": {after: 5 * ms, addrs: "a:2022 b:2023"},
			"a AAAA": {err: nxdomain}, "a A": {addrs: "10.0.0.1"}, "b AAAA": {addrs: "fd99::2"}, "b A": {err: nxdomain}},
		hosts: hosts{"[fd99::2]:2023": {rtt: 20 * ms}},
		want: "5 syn 10.0.0.1:2022; 255 syn [fd99::2]:2023; 255 syn 10.0.0.1:2022; 275 close 10.0.0.1:2022; 275 close 10.0.0.1:2022; " +
			"275 wins [fd99::2]:2023; 275 2 of 2 tried, by b:2023",
	},
	{
		name: "SRV: the next at once when the one before has failed; other lanes wait for both", targets: "_ssh._tcp.lab 10.0.0.9",
		dialer: Dialer{HeadStart: 2000 * ms},
		zone:   zone{"_ssh._tcp.lab SRV": {after: 5 * ms, addrs: "a:22 10.0.0.2:22"}, "a AAAA": {err: nxdomain}, "a A": {err: nxdomain}},
		hosts:  hosts{"10.0.0.2": {rtt: 20 * ms, err: refused}, "10.0.0.9": {rtt: 20 * ms}},
		want:   "5 syn 10.0.0.2; 25 close 10.0.0.2; 25 syn 10.0.0.9; 45 wins 10.0.0.9; 45 2 of 2 tried, by 10.0.0.9:22",
	},
	{
		name: "SRV: a head start is its own, and that of those behind it", targets: "10.0.0.1 _ssh._tcp.lab 10.0.0.9",
		dialer: Dialer{HeadStart: 400 * ms},
		zone:   zone{"_ssh._tcp.lab SRV": {after: 5 * ms, addrs: "10.0.0.2 10.0.0.3"}},
		hosts:  hosts{"10.0.0.9": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 250 syn 10.0.0.1; 400 syn 10.0.0.2; 650 syn 10.0.0.3; 650 syn 10.0.0.2; 750 syn 10.0.0.1; 800 syn 10.0.0.9; " +
			"820 close 10.0.0.1; 820 close 10.0.0.1; 820 close 10.0.0.1; 820 close 10.0.0.2; 820 close 10.0.0.2; 820 close 10.0.0.3; " +
			"820 wins 10.0.0.9; 820 4 of 4 tried, by 10.0.0.9:22",
	},
	{
		name: "SRV: a name that looks like a MAC is a name", targets: "_ssh._tcp.lab",
		zone: zone{"_ssh._tcp.lab SRV": {after: 5 * ms, addrs: "00-00-07-CF-10-0A"},
			"00-00-07-CF-10-0A AAAA": {err: nxdomain}, "00-00-07-CF-10-0A A": {addrs: "10.0.0.1"}, "00-00-07-CF-10-0A MAC": {addrs: "10.0.0.2"}},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms}},
		want:  "5 syn 10.0.0.1; 25 wins 10.0.0.1; 25 1 of 1 tried, by 00-00-07-CF-10-0A port 22",
	},
	{
		name: "SRV: a service is never a service again", targets: "_ssh._tcp.lab",
		zone: zone{"_ssh._tcp.lab SRV": {addrs: "_ssh._tcp.lab"}, "_ssh._tcp.lab AAAA": {err: nxdomain}, "_ssh._tcp.lab A": {err: nxdomain}},
		want: "0 race: _ssh._tcp.lab: lookup box: no such host;   _ssh._tcp.lab: lookup box: no such host at 0",
	},
	{
		name: "NAT64: by each transport", targets: "192.0.2.1", dialer: Dialer{Transports: twoTransports},
		zone: zone{"NAT64": {after: 10 * ms, addrs: "64:ff9b::/96"}},
		hosts: hosts{"192.0.2.1 mptcp": {inside: true, err: noRoute}, "192.0.2.1": {inside: true, err: noRoute},
			"64:ff9b::c000:201": {rtt: 20 * ms}},
		want: "0 try 192.0.2.1 mptcp: network is unreachable; 0 try 192.0.2.1: network is unreachable; 10 syn 64:ff9b::c000:201 mptcp; " +
			"260 syn 64:ff9b::c000:201 mptcp; 260 syn 64:ff9b::c000:201; 300 close 64:ff9b::c000:201 mptcp; " +
			"300 close 64:ff9b::c000:201 mptcp; 300 wins 64:ff9b::c000:201; 300 2 of 2 tried, by 192.0.2.1:22; " +
			"300 before it mptcp: no answer",
	},
	{
		name: "NAT64: two targets are one address, that has no route", targets: "192.0.2.1 box",
		zone: zone{"NAT64": {after: 10 * ms, addrs: "64:ff9b::/96"},
			"box AAAA": {after: 20 * ms, err: nxdomain}, "box A": {after: 5 * ms, addrs: "192.0.2.1 192.0.2.2"}},
		hosts: hosts{"192.0.2.1": {inside: true, err: noRoute}, "192.0.2.2": {inside: true, err: noRoute},
			"64:ff9b::c000:201": {rtt: 200 * ms, err: refused}, "64:ff9b::c000:202": {rtt: 20 * ms}},
		want: "0 try 192.0.2.1: network is unreachable; 10 syn 64:ff9b::c000:201; 20 try 192.0.2.2: network is unreachable; " +
			"20 syn 64:ff9b::c000:202; 40 close 64:ff9b::c000:201; 40 wins 64:ff9b::c000:202; 40 4 of 4 tried, by box:22",
	},
	{
		name: "NAT64: its answer is the last, and the name's failure is said", targets: "box",
		zone: zone{"NAT64": {after: 200 * ms},
			"box AAAA": {after: 100 * ms, err: servfail}, "box A": {addrs: "192.0.2.1"}},
		hosts: hosts{"192.0.2.1": {inside: true, err: noRoute}},
		want: "50 try 192.0.2.1: network is unreachable; 200 race: all 2 candidates failed; " +
			"  connect tcp 192.0.2.1:22: network is unreachable at 50;   box: lookup box: server misbehaving at 200",
	},
	{
		name: "NAT64: a literal without a route is mapped into each prefix", targets: "192.0.2.1",
		zone:  zone{"NAT64": {after: 10 * ms, addrs: "64:ff9b::/96 2001:db8:64::/96"}},
		hosts: hosts{"192.0.2.1": {inside: true, err: noRoute}, "2001:db8:64::c000:201": {rtt: 20 * ms}},
		want: "0 try 192.0.2.1: network is unreachable; 10 syn 64:ff9b::c000:201; 260 syn 2001:db8:64::c000:201; " +
			"280 close 64:ff9b::c000:201; 280 wins 2001:db8:64::c000:201; 280 3 of 3 tried, by 192.0.2.1:22",
	},
	{
		name: "NAT64: the prefix is asked for with a name's first queries", targets: "box",
		zone: zone{"NAT64": {after: 10 * ms, addrs: "64:ff9b::/96"},
			"box AAAA": {after: 10 * ms, err: nxdomain}, "box A": {after: 10 * ms, addrs: "192.0.2.1"}},
		hosts: hosts{"192.0.2.1": {inside: true, err: noRoute}, "64:ff9b::c000:201": {rtt: 20 * ms}},
		want:  "10 try 192.0.2.1: network is unreachable; 10 syn 64:ff9b::c000:201; 30 wins 64:ff9b::c000:201; 30 2 of 2 tried, by box:22",
	},
	{
		name: "two IPv4 addresses are there before the IPv6 address, which goes first all the same", targets: "box",
		zone:  zone{"box A": {after: 5 * ms, addrs: "192.0.2.1 192.0.2.2"}, "box AAAA": {after: 30 * ms, addrs: "fd99::1"}},
		hosts: hosts{"192.0.2.1": {rtt: 20 * ms}, "fd99::1": {rtt: 20 * ms}},
		want:  "30 syn fd99::1; 50 wins fd99::1; 50 1 of 3 tried, by box:22",
	},
	{
		name: "NAT64: a later server has told the prefix, and no other comes", targets: "192.0.2.1 192.0.2.2",
		dialer: Dialer{HeadStart: 2000 * ms},
		zone:   zone{"NAT64": {after: 100 * ms, addrs: "64:ff9b::/96", more: true}, "NAT64 again": {after: 1000 * ms}},
		hosts:  hosts{"192.0.2.1": {rtt: 500 * ms, err: refused}, "64:ff9b::c000:201": {rtt: 1500 * ms, err: refused}, "192.0.2.2": {inside: true, err: noRoute}, "64:ff9b::c000:202": {rtt: 20 * ms}},
		want: "0 syn 192.0.2.1; 250 syn 192.0.2.1; 350 syn 64:ff9b::c000:201; 500 close 192.0.2.1; 500 close 192.0.2.1; " +
			"600 syn 64:ff9b::c000:201; 1100 syn 64:ff9b::c000:201; 1850 close 64:ff9b::c000:201; 1850 close 64:ff9b::c000:201; " +
			"1850 close 64:ff9b::c000:201; 1850 try 192.0.2.2: network is unreachable; 1850 syn 64:ff9b::c000:202; " +
			"1870 wins 64:ff9b::c000:202; 1870 4 of 4 tried, by 192.0.2.2:22",
	},
	{
		name: "SRV: this machine is no target", targets: "_ssh._tcp.lab",
		zone:  zone{"_ssh._tcp.lab SRV": {addrs: "0.0.0.0"}},
		hosts: hosts{"0.0.0.0": {rtt: 1 * ms}},
		want: "0 race: 0.0.0.0:22: no host has this address: a block list, or a wrong record; " +
			"  0.0.0.0:22: no host has this address: a block list, or a wrong record at 0",
	},
	{
		name: "a blocked name, and no address of the other family", targets: "box", zone: zone{"box AAAA": {err: nxdomain}, "box A": {addrs: "0.0.0.0"}},
		want: "0 race: 0.0.0.0:22: no host has this address: a block list, or a wrong record; " +
			"  0.0.0.0:22: no host has this address: a block list, or a wrong record at 0",
	},
	{
		name: "a blocked name, and the other family is not known", targets: "box", zone: zone{"box AAAA": {err: servfail}, "box A": {addrs: "0.0.0.0"}},
		want: "0 race: all 2 candidates failed; " +
			"  0.0.0.0:22: no host has this address: a block list, or a wrong record at 0; " +
			"  box: lookup box: server misbehaving at 0",
	},
	{
		name: "SRV: an earlier server answers while the targets of a later one are tried", targets: "_ssh._tcp.lab",
		zone: zone{"_ssh._tcp.lab SRV": {after: 100 * ms, addrs: "10.0.0.1 10.0.0.2", more: true},
			"_ssh._tcp.lab SRV again": {after: 200 * ms, addrs: "10.0.0.3"}},
		hosts: hosts{"10.0.0.1": {rtt: 300 * ms}, "10.0.0.3": {rtt: 10 * ms, err: refused}},
		want: "100 syn 10.0.0.1; 350 syn 10.0.0.3; 350 syn 10.0.0.1; 360 close 10.0.0.3; 400 close 10.0.0.1; 400 wins 10.0.0.1; " +
			"400 2 of 2 tried, by 10.0.0.1:22; 400 attempt 1 of 2",
	},
	{
		name: "an earlier server says that what a later one has told is wrong", targets: "10.0.0.1 box", dialer: Dialer{HeadStart: 2000 * ms},
		zone: zone{"box A": {after: 100 * ms, addrs: "192.0.2.1", more: true}, "box A again": {after: 200 * ms, replaces: "192.0.2.1", err: nxdomain},
			"box AAAA": {err: nxdomain}},
		hosts: hosts{"10.0.0.1": {rtt: 300 * ms, err: refused}},
		want: "0 syn 10.0.0.1; 250 syn 10.0.0.1; 300 close 10.0.0.1; 300 close 10.0.0.1; 300 race: all 2 candidates failed; " +
			"  box: lookup box: no such host at 200;   connect tcp 10.0.0.1:22: connection refused at 300;   in 2 attempts",
	},
	{
		name: "an earlier server's answer, with an address that has failed", targets: "box",
		zone: zone{"box A": {after: 100 * ms, addrs: "192.0.2.1 192.0.2.2", more: true}, "box A again": {after: 200 * ms, addrs: "192.0.2.1 192.0.2.3", replaces: "192.0.2.1 192.0.2.2"},
			"box AAAA": {err: nxdomain}},
		hosts: hosts{"192.0.2.1": {rtt: 50 * ms, err: refused}, "192.0.2.2": {rtt: 70 * ms, err: refused}, "192.0.2.3": {rtt: 10 * ms, err: refused}},
		want: "100 syn 192.0.2.1; 150 close 192.0.2.1; 150 syn 192.0.2.2; 220 close 192.0.2.2; 220 syn 192.0.2.3; 230 close 192.0.2.3; " +
			"230 race: all 3 candidates failed;   connect tcp 192.0.2.1:22: connection refused at 150; " +
			"  connect tcp 192.0.2.2:22: connection refused at 220;   connect tcp 192.0.2.3:22: connection refused at 230",
	},
	{
		name: "NAT64: none here", targets: "192.0.2.1",
		hosts: hosts{"192.0.2.1": {inside: true, err: noRoute}},
		want: "0 try 192.0.2.1: network is unreachable; 0 race: connect tcp 192.0.2.1:22: network is unreachable; " +
			"  connect tcp 192.0.2.1:22: network is unreachable at 0",
	},
	{
		name: "NAT64: -4 means it", targets: "192.0.2.1", dialer: Dialer{Family: IPv4},
		zone:  zone{"NAT64": {after: 10 * ms, addrs: "64:ff9b::/96"}},
		hosts: hosts{"192.0.2.1": {inside: true, err: noRoute}},
		want: "0 try 192.0.2.1: network is unreachable; 0 race: connect tcp 192.0.2.1:22: network is unreachable; " +
			"  connect tcp 192.0.2.1:22: network is unreachable at 0",
	},
}

// TestNAT64IsAskedFor: where an IPv4 address could be mapped, and nowhere else.
func TestNAT64IsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialer  Dialer
		targets string
		v4      peer
		want    int
	}{
		{"with a name's questions", Dialer{}, "box", peer{rtt: 20 * ms}, 1},
		{"not with -4", Dialer{Family: IPv4}, "box", peer{rtt: 20 * ms}, 0},
		{"not with -6", Dialer{Family: IPv6}, "box", peer{rtt: 20 * ms}, 0},
		{"for an address that is silent for one delay", Dialer{Timeout: 300 * ms}, "192.0.2.5", peer{rtt: time.Minute}, 1},
		{"not before", Dialer{Timeout: 249 * ms}, "192.0.2.5", peer{rtt: time.Minute}, 0},
		{"not for one that has connected, whose banner is late", Dialer{Banner: "SSH-"}, "192.0.2.5", peer{rtt: 20 * ms, banner: time.Second}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{
				dns:   zone{"NAT64": {after: time.Minute}, "box AAAA": {addrs: "2001:db8::5"}, "box A": {addrs: "192.0.2.5"}},
				hosts: hosts{"2001:db8::5": {rtt: 20 * ms}, "192.0.2.5": tt.v4},
			}
			if log := f.race(t, tt.dialer, tt.targets); f.asks != tt.want {
				t.Errorf("%d questions are left, want %d\n%s", f.asks, tt.want, log)
			}
		})
	}
}
