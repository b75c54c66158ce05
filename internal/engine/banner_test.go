package engine

import (
	"time"

	"fdrace/internal/resolve"
)

// Races that ask more of the winner, or try more ways to it.
var bannerRaces = []raceCase{
	{
		name: "banner: a box that accepts and is silent is passed over, and the next begins one delay after its ACK", targets: "box", dialer: Dialer{Banner: "SSH-"}, zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms, mute: true}, "10.0.0.5": {rtt: 20 * ms, banner: 20 * ms}},
		want: "0 syn fd99::5; 20 ack fd99::5; 270 syn 10.0.0.5; 290 ack 10.0.0.5; 310 reset fd99::5; 310 wins 10.0.0.5; " +
			"310 2 of 2 tried, by box:22",
	},
	{
		name: "banner: the second waits unseen while the first may speak", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, banner: 100 * ms}, "10.0.0.2": {rtt: 50 * ms, banner: 50 * ms}},
		want:  "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 120 wins 10.0.0.1; 120 2 of 2 tried, by 10.0.0.1:22",
	},
	{
		name: "banner: one that waits is reset before the kernel sends its ACK, and begun anew for its turn", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true}, "10.0.0.2": {rtt: 20 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 270 syn 10.0.0.2; 290 ack 10.0.0.2; 310 reset 10.0.0.1; " +
			"310 wins 10.0.0.2; 310 2 of 2 tried, by 10.0.0.2:22; 310 attempt 2 of 2",
	},
	{
		name: "banner: one that is to begin anew does so at once when the first has been refused", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, banner: 180 * ms, said: "Exceeded MaxStartups"}, "10.0.0.2": {rtt: 20 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 200 reset 10.0.0.1; 200 syn 10.0.0.2; 220 ack 10.0.0.2; " +
			"240 wins 10.0.0.2; 240 2 of 2 tried, by 10.0.0.2:22; 240 attempt 2 of 2",
	},
	{
		name: "banner: one that is begun anew is tried again when that is lost", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true}, "10.0.0.2": {rtt: 20 * ms, banner: 20 * ms, drops: 2}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 270 syn 10.0.0.2; 520 syn 10.0.0.2; 540 close 10.0.0.2; " +
			"540 ack 10.0.0.2; 560 reset 10.0.0.1; 560 wins 10.0.0.2; 560 2 of 2 tried, by 10.0.0.2:22; 560 attempt 3 of 3, after one was lost",
	},
	{
		name: "banner: a server that takes its time is seen once, whatever the round trip", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 300 * ms, banner: 540 * ms}, "10.0.0.2": {rtt: 300 * ms, banner: 540 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 250 syn 10.0.0.1; 250 syn 10.0.0.2; 300 close 10.0.0.1; 300 ack 10.0.0.1; " +
			"300 close 10.0.0.2; 400 reset 10.0.0.2; 550 syn 10.0.0.2; 840 close 10.0.0.2; 840 wins 10.0.0.1; " +
			"840 2 of 2 tried, by 10.0.0.1:22; 840 attempt 1 of 2",
	},
	{
		name: "banner: a server that answers others in the meantime has as long as it takes", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, banner: 900 * ms, others: 550 * ms}, "10.0.0.2": {rtt: 20 * ms, banner: 20 * ms}},
		want:  "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 920 wins 10.0.0.1; 920 2 of 2 tried, by 10.0.0.1:22",
	},
	{
		name: "banner: until it has answered none for one delay", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true, others: 250 * ms}, "10.0.0.2": {rtt: 20 * ms, banner: 20 * ms, drops: 2}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 520 syn 10.0.0.2; 770 syn 10.0.0.2; 790 close 10.0.0.2; " +
			"790 ack 10.0.0.2; 810 reset 10.0.0.1; 810 wins 10.0.0.2; 810 2 of 2 tried, by 10.0.0.2:22; 810 attempt 3 of 3, after one was lost",
	},
	{
		name: "banner: or for ten delays", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true, others: time.Hour}, "10.0.0.2": {rtt: 20 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 120 reset 10.0.0.2; 2520 syn 10.0.0.2; 2540 ack 10.0.0.2; " +
			"2560 reset 10.0.0.1; 2560 wins 10.0.0.2; 2560 2 of 2 tried, by 10.0.0.2:22; 2560 attempt 2 of 2",
	},
	{
		name: "banner: what one address answers does not count for another", targets: "box", dialer: Dialer{Banner: "SSH-"}, zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms, mute: true}, "10.0.0.5": {rtt: 20 * ms, banner: 600 * ms, others: time.Hour}},
		want:  "0 syn fd99::5; 20 ack fd99::5; 270 syn 10.0.0.5; 290 ack 10.0.0.5; 890 reset fd99::5; 890 wins 10.0.0.5; 890 2 of 2 tried, by box:22",
	},
	{
		name: "banner: MPTCP's twin does not start while its server answers others", targets: "10.0.0.1", dialer: Dialer{Banner: "SSH-", Transports: twoTransports},
		hosts: hosts{"10.0.0.1 mptcp": {rtt: 20 * ms, banner: 400 * ms, others: 100 * ms}, "10.0.0.1": {rtt: 20 * ms, banner: 20 * ms}},
		want:  "0 syn 10.0.0.1 mptcp; 20 ack 10.0.0.1 mptcp; 420 wins 10.0.0.1 mptcp; 420 1 of 1 tried, by 10.0.0.1:22",
	},
	{
		name: "banner: three wait for each other, and the silent one is still in the race", targets: "10.0.0.1 10.0.0.2 10.0.0.3",
		dialer: Dialer{Banner: "SSH-", NoRetry: true},
		hosts:  hosts{"10.0.0.1": {rtt: 20 * ms, banner: 450 * ms}, "10.0.0.2": {rtt: 200 * ms, mute: true}, "10.0.0.3": {rtt: 400 * ms, banner: 300 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 0 syn 10.0.0.3; 20 ack 10.0.0.1; 290 ack 10.0.0.2; 470 reset 10.0.0.2; 470 reset 10.0.0.3; " +
			"470 wins 10.0.0.1; 470 3 of 3 tried, by 10.0.0.1:22",
	},
	{
		name: "banner: a refusal gives the next its turn at once", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, banner: 20 * ms, said: "Exceeded MaxStartups"}, "10.0.0.2": {rtt: 30 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 40 reset 10.0.0.1; 40 ack 10.0.0.2; 60 wins 10.0.0.2; " +
			"60 2 of 2 tried, by 10.0.0.2:22",
	},
	{
		name: "banner: one of which a part has come is looked at again", targets: "unix:/run/box", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"unix:/run/box": {inside: true, banner: 20 * ms, half: true}},
		want:  "0 syn unix:/run/box; 0 ack unix:/run/box; 20 half unix:/run/box; 30 wins unix:/run/box; 30 1 of 1 tried, by unix:/run/box",
	},
	{
		name: "banner: nobody says it", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-", Timeout: 300 * ms},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 270 syn 10.0.0.2; 300 reset 10.0.0.1; 300 close 10.0.0.2; " +
			"300 close 10.0.0.2; 300 race: context deadline exceeded; " +
			"  connect tcp 10.0.0.1:22: connected, but no banner came: context deadline exceeded at 300; " +
			"  connect tcp 10.0.0.2:22: context deadline exceeded at 300;   in 2 attempts",
	},
	{
		name: "banner: one that waits at the deadline was not asked", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Banner: "SSH-", Timeout: 200 * ms},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, mute: true}, "10.0.0.2": {rtt: 100 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 ack 10.0.0.1; 200 reset 10.0.0.1; 200 reset 10.0.0.2; 200 race: context deadline exceeded; " +
			"  connect tcp 10.0.0.1:22: connected, but no banner came: context deadline exceeded at 200; " +
			"  connect tcp 10.0.0.2:22: connected, but it was another server's turn to send a banner: context deadline exceeded at 200",
	},
	{
		name: "banner: MPTCP that carries no data loses to its twin", targets: "10.0.0.1", dialer: Dialer{Banner: "SSH-", Transports: twoTransports},
		hosts: hosts{"10.0.0.1 mptcp": {rtt: 20 * ms, mute: true}, "10.0.0.1": {rtt: 20 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1 mptcp; 20 ack 10.0.0.1 mptcp; 270 syn 10.0.0.1; 290 ack 10.0.0.1; 310 reset 10.0.0.1 mptcp; 310 wins 10.0.0.1; " +
			"310 1 of 1 tried, by 10.0.0.1:22; 310 before it mptcp: connected, but no banner came",
	},
	{
		name: "banner: MPTCP attempts that would be seen are closed while the first may speak", targets: "10.0.0.1 10.0.0.2",
		dialer: Dialer{Banner: "SSH-", Transports: twoTransports},
		hosts:  hosts{"10.0.0.1 mptcp": {rtt: 20 * ms, mute: true}, "10.0.0.2 mptcp": {rtt: 20 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1 mptcp; 10 syn 10.0.0.2 mptcp; 20 ack 10.0.0.1 mptcp; 20 close 10.0.0.2 mptcp; 270 syn 10.0.0.2 mptcp; " +
			"270 syn 10.0.0.1; 270 syn 10.0.0.2; 290 ack 10.0.0.2 mptcp; 310 reset 10.0.0.1 mptcp; 310 close 10.0.0.1; " +
			"310 close 10.0.0.2; 310 wins 10.0.0.2 mptcp; 310 2 of 2 tried, by 10.0.0.2:22; 310 attempt 2 of 2",
	},
	{
		name: "banner: and begin a gap apart when it is silent", targets: "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4",
		dialer: Dialer{Banner: "SSH-", Transports: twoTransports[:1]},
		hosts:  hosts{"10.0.0.1 mptcp": {rtt: 5 * ms, mute: true}, "10.0.0.2 mptcp": {rtt: 35 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1 mptcp; 5 ack 10.0.0.1 mptcp; 255 syn 10.0.0.2 mptcp; 265 syn 10.0.0.3 mptcp; 275 syn 10.0.0.4 mptcp; " +
			"290 ack 10.0.0.2 mptcp; 290 close 10.0.0.3 mptcp; 290 close 10.0.0.4 mptcp; 310 reset 10.0.0.1 mptcp; 310 wins 10.0.0.2 mptcp; " +
			"310 4 of 4 tried, by 10.0.0.2:22",
	},
	{
		name: "MPTCP attempts that would start together start a gap apart, plain ones together", targets: "10.0.0.1 10.0.0.2 10.0.0.3",
		dialer: Dialer{Transports: twoTransports},
		hosts:  hosts{"10.0.0.1 mptcp": {rtt: 30 * ms}, "10.0.0.2 mptcp": {rtt: 30 * ms}, "10.0.0.3 mptcp": {rtt: 30 * ms}},
		want: "0 syn 10.0.0.1 mptcp; 10 syn 10.0.0.2 mptcp; 20 syn 10.0.0.3 mptcp; 30 close 10.0.0.2 mptcp; 30 close 10.0.0.3 mptcp; " +
			"30 wins 10.0.0.1 mptcp; 30 3 of 3 tried, by 10.0.0.1:22",
	},
	{
		name: "the race is over before the gap is", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{Transports: twoTransports[:1], Timeout: 5 * ms},
		want: "0 syn 10.0.0.1 mptcp; 5 close 10.0.0.1 mptcp; 5 race: context deadline exceeded; " +
			"  connect mptcp 10.0.0.1:22: context deadline exceeded at 5;   10.0.0.2:22: not tried: the race was over before its turn at 5",
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
			"270 close 10.0.0.1; 270 close fd99::1; 270 close 10.0.0.1 via eth0; " +
			"270 close fd99::1 via eth0; 270 wins 10.0.0.1 via lte0; 270 2 of 2 tried, by 10.0.0.1:22",
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
		want: "0 syn 10.0.0.1 mptcp; 250 syn 10.0.0.1 mptcp via eth0; 250 syn 10.0.0.1 mptcp; 250 syn 10.0.0.1; " +
			"500 syn 10.0.0.1 mptcp via eth0; 500 syn 10.0.0.1 via eth0; 540 close 10.0.0.1 mptcp; 540 close 10.0.0.1 mptcp; " +
			"540 close 10.0.0.1 mptcp via eth0; 540 close 10.0.0.1 mptcp via eth0; 540 close 10.0.0.1; 540 wins 10.0.0.1 via eth0; " +
			"540 1 of 1 tried, by 10.0.0.1:22; 540 before it mptcp: no answer",
	},
	{
		name: "interfaces: every way is said to have failed", targets: "10.0.0.1", dialer: Dialer{Interfaces: twoInterfaces[:1]},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}, "10.0.0.1 via eth0": {rtt: 20 * ms, err: refused}},
		want: "0 syn 10.0.0.1; 20 close 10.0.0.1; 20 syn 10.0.0.1 via eth0; 40 close 10.0.0.1 via eth0; 40 race: all 2 candidates failed; " +
			"  connect tcp 10.0.0.1:22: connection refused at 20;   connect tcp 10.0.0.1:22 from eth0: connection refused at 40",
	},
	{
		name: "interfaces: one that has failed does not start the next address early", targets: "box", dialer: Dialer{Interfaces: twoInterfaces[:1]},
		zone:  zone{"box AAAA": {err: nxdomain}, "box A": {addrs: "10.0.0.1 10.0.0.2 10.0.0.3"}},
		hosts: hosts{"10.0.0.1 via eth0": {rtt: 20 * ms, err: refused}, "10.0.0.3": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 250 syn 10.0.0.1 via eth0; 250 syn 10.0.0.2; 270 close 10.0.0.1 via eth0; 500 syn 10.0.0.2 via eth0; " +
			"500 syn 10.0.0.3; 520 close 10.0.0.1; 520 close 10.0.0.2; 520 close 10.0.0.2 via eth0; 520 wins 10.0.0.3; 520 3 of 3 tried, by box:22",
	},
	{
		name: "interfaces: not for a zone, nor for loopback", targets: "fe80::1%wlan0 ::1", dialer: Dialer{Interfaces: twoInterfaces, Timeout: 300 * ms},
		want: "0 syn fe80::1%wlan0; 0 syn ::1; 250 syn fe80::1%wlan0; 250 syn ::1; 300 close fe80::1%wlan0; 300 close fe80::1%wlan0; " +
			"300 close ::1; 300 close ::1; 300 race: context deadline exceeded; " +
			"  connect tcp [fe80::1%wlan0]:22: context deadline exceeded at 300;   in 2 attempts; " +
			"  connect tcp [::1]:22: context deadline exceeded at 300;   in 2 attempts",
	},
}
