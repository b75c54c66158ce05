package race

import "fdrace/race/resolve"

// Races that ask more of the winner, or try more ways to it.
var bannerRaces = []raceCase{
	{
		name: "banner: a box that accepts and is silent is passed over", targets: "box", dialer: Dialer{Banner: "SSH-"}, zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms, mute: true}, "10.0.0.5": {rtt: 20 * ms, banner: 20 * ms}},
		want:  "0 syn fd99::5; 250 syn 10.0.0.5; 290 wins 10.0.0.5; 290 reset fd99::5; 290 2 of 2 tried, by box:22",
	},
	{
		name: "banner: the first that says it wins, not the first that connects", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, banner: 100 * ms}, "10.0.0.2": {rtt: 50 * ms, banner: 50 * ms}},
		want:  "0 syn 10.0.0.1; 0 syn 10.0.0.2; 100 wins 10.0.0.2; 100 reset 10.0.0.1; 100 2 of 2 tried, by 10.0.0.2:22",
	},
	{
		name: "banner: nobody says it", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-", Timeout: 300 * ms},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 300 reset 10.0.0.1; 300 close 10.0.0.2; 300 race: context deadline exceeded; " +
			"  connect tcp 10.0.0.1:22: connected, but no banner came: context deadline exceeded at 300; " +
			"  connect tcp 10.0.0.2:22: context deadline exceeded at 300",
	},
	{
		name: "banner: MPTCP that carries no data loses to its twin", targets: "10.0.0.1", dialer: Dialer{Banner: "SSH-", Transports: twoTransports},
		hosts: hosts{"10.0.0.1 mptcp": {rtt: 20 * ms, mute: true}, "10.0.0.1": {rtt: 20 * ms, banner: 20 * ms}},
		want:  "0 syn 10.0.0.1 mptcp; 250 syn 10.0.0.1; 290 wins 10.0.0.1; 290 reset 10.0.0.1 mptcp; 290 1 of 1 tried, by 10.0.0.1:22; 290 before it mptcp: connected, but no banner came",
	},
}

var twoInterfaces = []resolve.Interface{{Name: "eth0", IPv4: true, IPv6: true}, {Name: "lte0", IPv4: true}}

var interfaceRaces = []raceCase{
	{
		name: "interfaces: the normal route first, and no clone where it answers", targets: "10.0.0.1", dialer: Dialer{Interfaces: twoInterfaces},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms}},
		want:  "0 syn 10.0.0.1; 20 wins 10.0.0.1; 20 1 of 1 tried, by 10.0.0.1:22",
	},
	{
		name: "interfaces: clones one delay behind, by family", targets: "10.0.0.1 fd99::1", dialer: Dialer{Interfaces: twoInterfaces},
		hosts: hosts{"10.0.0.1 via lte0": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn fd99::1; 250 syn 10.0.0.1 via eth0; 250 syn 10.0.0.1 via lte0; 250 syn fd99::1 via eth0; " +
			"270 wins 10.0.0.1 via lte0; 270 close 10.0.0.1; 270 close fd99::1; 270 close 10.0.0.1 via eth0; " +
			"270 close fd99::1 via eth0; 270 2 of 2 tried, by 10.0.0.1:22",
	},
	{
		name: "interfaces: clones at once where there is no route", targets: "10.0.0.1", dialer: Dialer{Interfaces: twoInterfaces},
		hosts: hosts{"10.0.0.1": {inside: true, err: noRoute}, "10.0.0.1 via eth0": {inside: true, err: noRoute}, "10.0.0.1 via lte0": {rtt: 20 * ms}},
		want: "0 try 10.0.0.1: network is unreachable; 0 try 10.0.0.1 via eth0: network is unreachable; 0 syn 10.0.0.1 via lte0; " +
			"20 wins 10.0.0.1 via lte0; 20 1 of 1 tried, by 10.0.0.1:22",
	},
	{
		name: "interfaces: with two transports, each way has its twin", targets: "10.0.0.1", dialer: Dialer{Interfaces: twoInterfaces[:1], Transports: twoTransports},
		hosts: hosts{"10.0.0.1 via eth0": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1 mptcp; 250 syn 10.0.0.1 mptcp via eth0; 250 syn 10.0.0.1; 500 syn 10.0.0.1 via eth0; 520 wins 10.0.0.1 via eth0; " +
			"520 close 10.0.0.1 mptcp; 520 close 10.0.0.1 mptcp via eth0; 520 close 10.0.0.1; 520 1 of 1 tried, by 10.0.0.1:22; 520 before it mptcp: no answer",
	},
	{
		name: "interfaces: every way is said to have failed", targets: "10.0.0.1", dialer: Dialer{Interfaces: twoInterfaces[:1]},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}, "10.0.0.1 via eth0": {rtt: 20 * ms, err: refused}},
		want: "0 syn 10.0.0.1; 20 close 10.0.0.1; 20 syn 10.0.0.1 via eth0; 40 close 10.0.0.1 via eth0; 40 race: all 2 candidates failed; " +
			"  connect tcp 10.0.0.1:22: connection refused at 20;   connect tcp 10.0.0.1:22 from eth0: connection refused at 40",
	},
	{
		name: "interfaces: not for a zone, nor for loopback", targets: "fe80::1%wlan0 ::1", dialer: Dialer{Interfaces: twoInterfaces, Timeout: 300 * ms},
		want: "0 syn fe80::1%wlan0; 0 syn ::1; 300 close fe80::1%wlan0; 300 close ::1; 300 race: context deadline exceeded; " +
			"  connect tcp [fe80::1%wlan0]:22: context deadline exceeded at 300;   connect tcp [::1]:22: context deadline exceeded at 300",
	},
}
