package engine

import (
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const ms = time.Millisecond

var (
	errFull  = syscall.EMFILE
	refused  = syscall.ECONNREFUSED
	noRoute  = syscall.ENETUNREACH
	servfail = &net.DNSError{Err: "server misbehaving", Name: "box", IsTemporary: true}
	nxdomain = &net.DNSError{Err: "no such host", Name: "box", IsNotFound: true}
)

type (
	hosts = map[string]peer
	zone  = map[string]reply
)

// twoTransports is what --mptcp makes of a race.
var twoTransports = []Transport{{Name: "mptcp", EagerACK: true}, {}}

// dual is a name with both families whose answers come at once.
var dual = zone{"box AAAA": {addrs: "fd99::5"}, "box A": {addrs: "10.0.0.5"}}

type raceCase struct {
	name    string
	dialer  Dialer
	targets string
	zone    zone
	hosts   hosts
	want    string
}

// Times in want are ms since the race began, exact.
var races = []raceCase{
	{
		name: "healthy literal", targets: "10.0.0.5",
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.5; 20 wins 10.0.0.5; 20 1 of 1 tried, by 10.0.0.5:22",
	},
	{
		name: "dual stack, healthy: no IPv4 SYN", targets: "box", zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms}, "10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn fd99::5; 20 wins fd99::5; 20 1 of 2 tried, by box:22",
	},
	{
		name: "v6 silent", targets: "box", zone: dual,
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn fd99::5; 250 syn 10.0.0.5; 270 close fd99::5; 270 wins 10.0.0.5; 270 2 of 2 tried, by box:22",
	},
	{
		name: "v6 answers in the same batch as v4: the first begun is kept, the other reset", targets: "box", zone: dual,
		hosts: hosts{"fd99::5": {rtt: 270 * ms}, "10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn fd99::5; 250 syn 10.0.0.5; 270 reset 10.0.0.5; 270 wins fd99::5; 270 2 of 2 tried, by box:22",
	},
	{
		name: "v6 ready in the tick of v4's turn: readiness goes before the timer", targets: "box", zone: dual,
		hosts: hosts{"fd99::5": {rtt: 250 * ms}},
		want:  "0 syn fd99::5; 250 wins fd99::5; 250 1 of 2 tried, by box:22",
	},
	{
		name: "v6 late, while v4 is under way: it may still win", targets: "box", zone: dual,
		hosts: hosts{"fd99::5": {rtt: 600 * ms}, "10.0.0.5": {rtt: 600 * ms}},
		want: "0 syn fd99::5; 250 syn 10.0.0.5; 500 syn fd99::5; 600 close fd99::5; 600 close 10.0.0.5; 600 wins fd99::5; " +
			"600 2 of 2 tried, by box:22; 600 attempt 1 of 2",
	},
	{
		name: "v6 refused: next at once", targets: "box", zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms, err: refused}, "10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn fd99::5; 20 close fd99::5; 20 syn 10.0.0.5; 40 wins 10.0.0.5; 40 2 of 2 tried, by box:22",
	},
	{
		name: "no v6 route: next at once", targets: "box", zone: dual,
		hosts: hosts{"fd99::5": {inside: true, err: noRoute}, "10.0.0.5": {rtt: 20 * ms}},
		want:  "0 try fd99::5: network is unreachable; 0 syn 10.0.0.5; 20 wins 10.0.0.5; 20 2 of 2 tried, by box:22",
	},
	{
		name: "connected inside connect", targets: "10.0.0.5",
		hosts: hosts{"10.0.0.5": {inside: true}},
		want:  "0 syn 10.0.0.5; 0 wins 10.0.0.5; 0 1 of 1 tried, by 10.0.0.5:22",
	},
	{
		name: "v4 bad, bad, good", targets: "box",
		zone:  zone{"box AAAA": {err: nxdomain}, "box A": {addrs: "10.0.0.1 10.0.0.2 10.0.0.5"}},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 250 syn 10.0.0.2; 500 syn 10.0.0.5; " +
			"520 close 10.0.0.1; 520 close 10.0.0.2; 520 wins 10.0.0.5; 520 3 of 3 tried, by box:22",
	},
	{
		name: "v6 bad, good, v4 bad, bad: families alternate", targets: "box",
		zone:  zone{"box AAAA": {addrs: "fd99::1 fd99::5"}, "box A": {addrs: "10.0.0.1 10.0.0.2"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms}},
		want: "0 syn fd99::1; 250 syn 10.0.0.1; 500 syn fd99::5; " +
			"520 close fd99::1; 520 close 10.0.0.1; 520 wins fd99::5; 520 3 of 4 tried, by box:22",
	},
	{
		name: "AAAA 30 ms after A: v6 first", targets: "box",
		zone:  zone{"box AAAA": {after: 40 * ms, addrs: "fd99::5"}, "box A": {after: 10 * ms, addrs: "10.0.0.5"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms}, "10.0.0.5": {rtt: 20 * ms}},
		want:  "40 syn fd99::5; 60 wins fd99::5; 60 1 of 2 tried, by box:22",
	},
	{
		name: "AAAA 300 ms late: v4 after 50, v6 joins", targets: "box",
		zone:  zone{"box AAAA": {after: 300 * ms, addrs: "fd99::5"}, "box A": {addrs: "10.0.0.5"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms}},
		want:  "50 syn 10.0.0.5; 300 syn fd99::5; 320 close 10.0.0.5; 320 wins fd99::5; 320 2 of 2 tried, by box:22",
	},
	{
		name: "AAAA 100 ms late: v6 has its turn 250 ms after v4's", targets: "box",
		zone:  zone{"box AAAA": {after: 100 * ms, addrs: "fd99::5"}, "box A": {addrs: "10.0.0.5"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms}},
		want:  "50 syn 10.0.0.5; 300 syn fd99::5; 320 close 10.0.0.5; 320 wins fd99::5; 320 2 of 2 tried, by box:22",
	},
	{
		name: "AAAA never: v4 after 50", targets: "box",
		zone:  zone{"box A": {after: 5 * ms, addrs: "10.0.0.5"}},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want:  "55 syn 10.0.0.5; 75 wins 10.0.0.5; 75 1 of 1 tried, by box:22",
	},
	{
		name: "A never: v6 at once", targets: "box",
		zone:  zone{"box AAAA": {after: 5 * ms, addrs: "fd99::5"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms}},
		want:  "5 syn fd99::5; 25 wins fd99::5; 25 1 of 1 tried, by box:22",
	},
	{
		name: "AAAA fails while v4 is held back: v4 at once", targets: "box",
		zone:  zone{"box AAAA": {after: 15 * ms, err: servfail}, "box A": {after: 5 * ms, addrs: "10.0.0.5"}},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want:  "15 syn 10.0.0.5; 35 wins 10.0.0.5; 35 1 of 1 tried, by box:22",
	},
	{
		name: "-4: the other family is not asked for", targets: "box", dialer: Dialer{Family: IPv4}, zone: dual,
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.5; 20 wins 10.0.0.5; 20 1 of 1 tried, by box:22",
	},
	{
		name: "-6 and an IPv4 literal", targets: "10.0.0.5", dialer: Dialer{Family: IPv6},
		want: "0 race: 10.0.0.5:22: not an IPv6 address;   10.0.0.5:22: not an IPv6 address at 0",
	},
	{
		name: "several targets start together", targets: "10.0.0.1 fd99::1 10.0.0.5",
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn fd99::1; 0 syn 10.0.0.5; " +
			"20 close 10.0.0.1; 20 close fd99::1; 20 wins 10.0.0.5; 20 3 of 3 tried, by 10.0.0.5:22",
	},
	{
		name: "a name and a literal: one lane does not wait for the other", targets: "box 10.0.0.9",
		zone:  zone{"box AAAA": {after: 30 * ms, addrs: "fd99::5"}, "box A": {after: 30 * ms, addrs: "10.0.0.5"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.9; 30 syn fd99::5; 50 close 10.0.0.9; 50 wins fd99::5; 50 2 of 3 tried, by box:22",
	},
	{
		name: "head start", targets: "10.0.0.1 10.0.0.2 10.0.0.3", dialer: Dialer{HeadStart: 100 * ms},
		hosts: hosts{"10.0.0.3": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 100 syn 10.0.0.2; 200 syn 10.0.0.3; " +
			"220 close 10.0.0.1; 220 close 10.0.0.2; 220 wins 10.0.0.3; 220 3 of 3 tried, by 10.0.0.3:22",
	},
	{
		name: "head start, all before refused: at once, and the next one after it again", targets: "10.0.0.1 10.0.0.2 10.0.0.3", dialer: Dialer{HeadStart: 100 * ms},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}, "10.0.0.3": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 20 close 10.0.0.1; 20 syn 10.0.0.2; 120 syn 10.0.0.3; " +
			"140 close 10.0.0.2; 140 wins 10.0.0.3; 140 3 of 3 tried, by 10.0.0.3:22",
	},
	{
		name: "head start, the name before does not resolve", targets: "box 10.0.0.2", dialer: Dialer{HeadStart: 500 * ms},
		zone:  zone{"box AAAA": {after: 5 * ms, err: nxdomain}, "box A": {after: 9 * ms, err: nxdomain}},
		hosts: hosts{"10.0.0.2": {rtt: 20 * ms}},
		want:  "9 syn 10.0.0.2; 29 wins 10.0.0.2; 29 1 of 1 tried, by 10.0.0.2:22",
	},
	{
		name: "head start, the name before has nothing but what has failed", targets: "10.0.0.1 box 10.0.0.3", dialer: Dialer{HeadStart: 100 * ms},
		zone:  zone{"box AAAA": {err: nxdomain}, "box A": {addrs: "10.0.0.1"}},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}, "10.0.0.3": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.1; 20 close 10.0.0.1; 20 syn 10.0.0.3; 40 wins 10.0.0.3; 40 2 of 2 tried, by 10.0.0.3:22",
	},
	{
		name: "one address by two targets is tried once, and the second lane waits for it", targets: "box alias",
		zone: zone{"box AAAA": {addrs: "fd99::5"}, "box A": {err: nxdomain},
			"alias AAAA": {after: 10 * ms, addrs: "fd99::5"}, "alias A": {after: 10 * ms, addrs: "10.0.0.5"}},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
		want: "0 syn fd99::5; 250 syn 10.0.0.5; 250 syn fd99::5; 270 close fd99::5; 270 close fd99::5; 270 wins 10.0.0.5; " +
			"270 2 of 2 tried, by alias:22",
	},
	{
		name: "one address by two targets, refused before the second came to it", targets: "10.0.0.5 box",
		zone:  zone{"box A": {after: 50 * ms, addrs: "10.0.0.5 10.0.0.6"}, "box AAAA": {after: 50 * ms, err: nxdomain}},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}, "10.0.0.6": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.5; 20 close 10.0.0.5; 50 syn 10.0.0.6; 70 wins 10.0.0.6; 70 2 of 2 tried, by box:22",
	},
	{
		name: "two ports of one address are two candidates", targets: "10.0.0.5 10.0.0.5:2222",
		hosts: hosts{"10.0.0.5:2222": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.5; 0 syn 10.0.0.5:2222; 20 close 10.0.0.5; " +
			"20 wins 10.0.0.5:2222; 20 2 of 2 tried, by 10.0.0.5:2222",
	},
	{
		name: "timeout: every candidate is accounted for", targets: "box 10.0.0.9", dialer: Dialer{Timeout: 300 * ms},
		zone:  zone{"box AAAA": {addrs: "fd99::1 fd99::2 fd99::3"}},
		hosts: hosts{"10.0.0.9": {rtt: 20 * ms, err: refused}},
		want: "0 syn 10.0.0.9; 0 syn fd99::1; 20 close 10.0.0.9; 250 syn fd99::2; 300 close fd99::1; 300 close fd99::2; " +
			"300 race: context deadline exceeded; " +
			"  connect tcp 10.0.0.9:22: connection refused at 20; " +
			"  connect tcp [fd99::1]:22: context deadline exceeded at 300; " +
			"  connect tcp [fd99::2]:22: context deadline exceeded at 300; " +
			"  [fd99::3]:22: not tried: the race was over before its turn at 300; " +
			"  box: lookup of IPv4 addresses: context deadline exceeded at 300",
	},
	{
		name: "ready at the deadline has won", targets: "10.0.0.5", dialer: Dialer{Timeout: 300 * ms},
		hosts: hosts{"10.0.0.5": {rtt: 300 * ms}},
		want:  "0 syn 10.0.0.5; 250 syn 10.0.0.5; 300 close 10.0.0.5; 300 wins 10.0.0.5; 300 1 of 1 tried, by 10.0.0.5:22; 300 attempt 1 of 2",
	},
	{
		name: "everything fails: in a round trip, each reason once", targets: "box nowhere 10.0.0.9", zone: zone{
			"box AAAA": {addrs: "fd99::5"}, "box A": {addrs: "10.0.0.5"},
			"nowhere AAAA": {after: 5 * ms, err: nxdomain}, "nowhere A": {after: 6 * ms, err: servfail}},
		hosts: hosts{"fd99::5": {inside: true, err: noRoute}, "10.0.0.5": {rtt: 20 * ms, err: refused}, "10.0.0.9": {rtt: 21 * ms, err: refused}},
		want: "0 syn 10.0.0.9; 0 try fd99::5: network is unreachable; 0 syn 10.0.0.5; 20 close 10.0.0.5; 21 close 10.0.0.9; " +
			"21 race: all 4 candidates failed; " +
			"  connect tcp [fd99::5]:22: network is unreachable at 0; " +
			"  nowhere: lookup box: server misbehaving at 6; " +
			"  connect tcp 10.0.0.5:22: connection refused at 20; " +
			"  connect tcp 10.0.0.9:22: connection refused at 21",
	},
	{
		name: "one family's addresses fail, the other's lookup failed: both are said", targets: "box",
		zone:  zone{"box AAAA": {err: servfail}, "box A": {addrs: "10.0.0.5"}},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}},
		want: "0 syn 10.0.0.5; 20 close 10.0.0.5; 20 race: all 2 candidates failed; " +
			"  box: lookup box: server misbehaving at 0; " +
			"  connect tcp 10.0.0.5:22: connection refused at 20",
	},
	{
		name: "a target listed twice is one", targets: "nowhere nowhere",
		zone: zone{"nowhere AAAA": {err: nxdomain}, "nowhere A": {err: nxdomain}},
		want: "0 race: nowhere: lookup box: no such host;   nowhere: lookup box: no such host at 0",
	},
	{
		name: "a link-local address without a zone, the interface given", targets: "fe80::1", dialer: Dialer{Interface: "eth1"},
		hosts: hosts{"fe80::1%eth1 via eth1": {rtt: 1 * ms}},
		want:  "0 syn fe80::1%eth1 via eth1; 1 wins fe80::1%eth1 via eth1; 1 1 of 1 tried, by [fe80::1]:22",
	},
	{
		name: "a link-local address of another link than the one given", targets: "fe80::1%eth0 fe80::1%2", dialer: Dialer{Interface: "eth1", Timeout: 20 * ms},
		want: "0 race: [fe80::1%eth0]:22: not on eth1;   [fe80::1%eth0]:22: not on eth1 at 0",
	},
	{
		name: "a link-local address with a zone by index and by name is one", targets: "fe80::1%2 fe80::1%eth0 fe80::1%eth1",
		hosts: hosts{"fe80::1%eth0": {rtt: 1 * ms}},
		want: "0 syn fe80::1%eth0; 0 syn fe80::1%eth1; 1 close fe80::1%eth1; 1 wins fe80::1%eth0; " +
			"1 2 of 2 tried, by [fe80::1%2]:22",
	},
	{
		name: "a link-local address of the link given, by another name of that", targets: "fe80::1%wired fe80::1%eth1", dialer: Dialer{Interface: "eth1"},
		hosts: hosts{"fe80::1%eth1 via eth1": {rtt: 1 * ms}},
		want:  "0 syn fe80::1%eth1 via eth1; 1 wins fe80::1%eth1 via eth1; 1 1 of 1 tried, by [fe80::1%wired]:22",
	},
	{
		name: "timeout: one family failed, the other's answer never came", targets: "box", dialer: Dialer{Timeout: 300 * ms},
		zone: zone{"box AAAA": {err: servfail}},
		want: "300 race: context deadline exceeded;   box: lookup box: server misbehaving at 300; " +
			"  box: lookup of IPv4 addresses: context deadline exceeded at 300",
	},
	{
		name: "two transports: no twin where the first answers in time", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 249 * ms}},
		want:  "0 syn 10.0.0.5 mptcp; 249 wins 10.0.0.5 mptcp; 249 1 of 1 tried, by 10.0.0.5:22",
	},
	{
		name: "two transports: the first dropped on the way", targets: "box", dialer: Dialer{Transports: twoTransports}, zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms}, "10.0.0.5": {rtt: 20 * ms}},
		want: "0 syn fd99::5 mptcp; 250 syn fd99::5 mptcp; 250 syn fd99::5; 260 syn 10.0.0.5 mptcp; 290 close fd99::5 mptcp; " +
			"290 close fd99::5 mptcp; 290 close 10.0.0.5 mptcp; 290 wins fd99::5; 290 2 of 2 tried, by box:22; " +
			"290 before it mptcp: no answer",
	},
	{
		name: "two transports: the first refused", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 20 * ms, err: refused}, "10.0.0.5": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.5 mptcp; 20 close 10.0.0.5 mptcp; 20 syn 10.0.0.5; 40 wins 10.0.0.5; 40 1 of 1 tried, by 10.0.0.5:22; 40 before it mptcp: connection refused",
	},
	{
		name: "two transports: the machine has no such socket, and no address is blamed", targets: "box",
		dialer: Dialer{Transports: []Transport{{Name: "mptcp", EagerACK: true, Socket: func(int) (int, error) { return -1, syscall.ENOPROTOOPT }}, {}}},
		zone:   dual,
		hosts:  hosts{"fd99::5": {rtt: 20 * ms}},
		want:   "0 syn fd99::5; 20 wins fd99::5; 20 1 of 2 tried, by box:22; 20 before it mptcp: protocol not available",
	},
	{
		name: "a transport that must be confirmed and is not", targets: "10.0.0.5 10.0.0.6",
		dialer: Dialer{Transports: []Transport{{Name: "mptcp", Check: func(fd int) error {
			if fd == 1 {
				return errors.New("server does not speak MPTCP")
			}
			return nil
		}}}},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 20 * ms}, "10.0.0.6 mptcp": {rtt: 30 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 0 syn 10.0.0.6 mptcp; 20 reset 10.0.0.5 mptcp; 30 wins 10.0.0.6 mptcp; " +
			"30 2 of 2 tried, by 10.0.0.6:22",
	},
}

func TestRaces(t *testing.T) {
	for _, tt := range slices.Concat(races, bannerRaces, interfaceRaces, targetRaces, runAllRaces, retryRaces) {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: tt.zone, hosts: tt.hosts}
			got := f.race(t, tt.dialer, tt.targets)
			if want := strings.ReplaceAll(tt.want, "; ", "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
