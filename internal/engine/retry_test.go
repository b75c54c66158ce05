package engine

import (
	"syscall"
	"time"
)

// onlyMPTCP is what --require-mptcp makes of a race, on a kernel that gives MPTCP
// up after 3 s.
var onlyMPTCP = []Transport{{Name: "mptcp", EagerACK: true, MaxAge: func() time.Duration { return 2750 * ms }}}

// soonOver is that with net.mptcp.syn_retrans_before_tcp_fallback=0.
var soonOver = []Transport{{Name: "mptcp", EagerACK: true, MaxAge: func() time.Duration { return 750 * ms }}}

// Races in which nobody answers at first. Times in want are exact.
var retryRaces = []raceCase{
	{
		name: "retry: one address, after one delay, then after 500 ms and 1 s", targets: "10.0.0.5",
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms, lost: 3}},
		want:  "0 syn 10.0.0.5; 250 syn 10.0.0.5; 750 syn 10.0.0.5; 1750 syn 10.0.0.5; 1770 close 10.0.0.5; 1770 close 10.0.0.5; 1770 close 10.0.0.5; 1770 wins 10.0.0.5; 1770 1 of 1 tried, by 10.0.0.5:22; 1770 attempt 4 of 4, after one was lost",
	},
	{
		name: "retry: until the deadline, with four open at a time, and all are one failure", targets: "10.0.0.5", dialer: Dialer{Timeout: 9000 * ms},
		want: "0 syn 10.0.0.5; 250 syn 10.0.0.5; 750 syn 10.0.0.5; 1750 syn 10.0.0.5; 3750 syn 10.0.0.5; 3750 close 10.0.0.5; " +
			"7750 syn 10.0.0.5; 7750 close 10.0.0.5; 9000 close 10.0.0.5; 9000 close 10.0.0.5; 9000 close 10.0.0.5; 9000 close 10.0.0.5; " +
			"9000 race: context deadline exceeded;   connect tcp 10.0.0.5:22: context deadline exceeded at 9000;   in 6 attempts",
	},
	{
		name: "retry: a round trip of 300 ms is no loss: the first wins", targets: "10.0.0.5",
		hosts: hosts{"10.0.0.5": {rtt: 300 * ms}},
		want:  "0 syn 10.0.0.5; 250 syn 10.0.0.5; 300 close 10.0.0.5; 300 wins 10.0.0.5; 300 1 of 1 tried, by 10.0.0.5:22; 300 attempt 1 of 2",
	},
	{
		name: "retry: nor is one of 600 ms, with a banner", targets: "10.0.0.5", dialer: Dialer{Banner: "SSH-"},
		hosts: hosts{"10.0.0.5": {rtt: 600 * ms, banner: 600 * ms}},
		want: "0 syn 10.0.0.5; 250 syn 10.0.0.5; 600 close 10.0.0.5; 600 ack 10.0.0.5; 1200 wins 10.0.0.5; " +
			"1200 1 of 1 tried, by 10.0.0.5:22; 1200 attempt 1 of 2",
	},
	{
		name: "retry: not where there is a new address to try, and then the first of them first", targets: "box",
		zone:  zone{"box AAAA": {err: nxdomain}, "box A": {addrs: "10.0.0.1 10.0.0.2"}},
		hosts: hosts{"10.0.0.2": {rtt: 20 * ms, lost: 2}},
		want: "0 syn 10.0.0.1; 250 syn 10.0.0.2; 500 syn 10.0.0.1; 750 syn 10.0.0.2; 1250 syn 10.0.0.1; 1750 syn 10.0.0.2; " +
			"1770 close 10.0.0.2; 1770 close 10.0.0.2; 1770 close 10.0.0.1; 1770 close 10.0.0.1; 1770 close 10.0.0.1; 1770 wins 10.0.0.2; " +
			"1770 2 of 2 tried, by box:22; 1770 attempt 3 of 3, after one was lost",
	},
	{
		name: "retry: a new address goes first", targets: "box",
		zone:  zone{"box A": {addrs: "10.0.0.1"}, "box AAAA": {after: 400 * ms, addrs: "fd99::5"}},
		hosts: hosts{"fd99::5": {rtt: 20 * ms, lost: 1}},
		want: "50 syn 10.0.0.1; 300 syn 10.0.0.1; 400 syn fd99::5; 650 syn fd99::5; 670 close fd99::5; 670 close 10.0.0.1; " +
			"670 close 10.0.0.1; 670 wins fd99::5; 670 2 of 2 tried, by box:22; 670 attempt 2 of 2, after one was lost",
	},
	{
		name: "retry: a refusal is the answer to all attempts", targets: "10.0.0.5",
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms, lost: 1, err: refused}},
		want: "0 syn 10.0.0.5; 250 syn 10.0.0.5; 270 close 10.0.0.5; 270 close 10.0.0.5; " +
			"270 race: connect tcp 10.0.0.5:22: connection refused;   connect tcp 10.0.0.5:22: connection refused at 270;   in 2 attempts",
	},
	{
		name: "retry: the kernel may give one up, and the others are still there", targets: "10.0.0.5", dialer: Dialer{Timeout: 4000 * ms},
		hosts: hosts{"10.0.0.5": {rtt: 3000 * ms, err: syscall.ETIMEDOUT}},
		want: "0 syn 10.0.0.5; 250 syn 10.0.0.5; 750 syn 10.0.0.5; 1750 syn 10.0.0.5; 3000 close 10.0.0.5; 3250 close 10.0.0.5; " +
			"3750 close 10.0.0.5; 3750 syn 10.0.0.5; 4000 close 10.0.0.5; 4000 close 10.0.0.5; 4000 race: context deadline exceeded; " +
			"  connect tcp 10.0.0.5:22: context deadline exceeded at 4000;   in 5 attempts",
	},
	{
		name: "retry: not with NoRetry", targets: "10.0.0.5", dialer: Dialer{NoRetry: true, Timeout: 3000 * ms, Transports: twoTransports},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 3000 close 10.0.0.5 mptcp; 3000 close 10.0.0.5; " +
			"3000 race: context deadline exceeded;   connect mptcp 10.0.0.5:22: context deadline exceeded at 3000; " +
			"  connect tcp 10.0.0.5:22: context deadline exceeded at 3000",
	},
	{
		name: "retry: MPTCP is kept when its SYN is lost: both answer", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 20 * ms, lost: 1}, "10.0.0.5": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 270 close 10.0.0.5 mptcp; 270 reset 10.0.0.5; " +
			"270 wins 10.0.0.5 mptcp; 270 1 of 1 tried, by 10.0.0.5:22; 270 attempt 2 of 2, after one was lost",
	},
	{
		name: "retry: MPTCP has a moment more than its twin", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 29 * ms, lost: 1}, "10.0.0.5": {rtt: 15 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 279 close 10.0.0.5 mptcp; 279 reset 10.0.0.5; " +
			"279 wins 10.0.0.5 mptcp; 279 1 of 1 tried, by 10.0.0.5:22; 279 attempt 2 of 2, after one was lost",
	},
	{
		name: "retry: which is 10 ms at the least", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5": {rtt: 1 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 261 close 10.0.0.5 mptcp; 261 close 10.0.0.5 mptcp; " +
			"261 wins 10.0.0.5; 261 1 of 1 tried, by 10.0.0.5:22; 261 before it mptcp: no answer",
	},
	{
		name: "retry: and 50 ms at most", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5": {rtt: 90 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 390 close 10.0.0.5 mptcp; 390 close 10.0.0.5 mptcp; " +
			"390 wins 10.0.0.5; 390 1 of 1 tried, by 10.0.0.5:22; 390 before it mptcp: no answer",
	},
	{
		name: "retry: MPTCP that is reset meanwhile has no more time", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 45 * ms, lost: 1, err: refused}, "10.0.0.5": {rtt: 40 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 295 close 10.0.0.5 mptcp; 295 close 10.0.0.5 mptcp; " +
			"295 wins 10.0.0.5; 295 1 of 1 tried, by 10.0.0.5:22; 295 before it mptcp: connection refused",
	},
	{
		name: "retry: a twin that has connected wins at the deadline", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports, Timeout: 280 * ms},
		hosts: hosts{"10.0.0.5": {rtt: 25 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 280 close 10.0.0.5 mptcp; 280 close 10.0.0.5 mptcp; " +
			"280 wins 10.0.0.5; 280 1 of 1 tried, by 10.0.0.5:22; 280 before it mptcp: no answer",
	},
	{
		name: "retry: with a banner to wait for, MPTCP is tried again when the twin has connected: a packet was lost", targets: "10.0.0.5",
		dialer: Dialer{Transports: twoTransports, Banner: "SSH-"},
		hosts:  hosts{"10.0.0.5 mptcp": {rtt: 20 * ms, lost: 1}, "10.0.0.5": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 270 syn 10.0.0.5 mptcp; 290 close 10.0.0.5 mptcp; 290 ack 10.0.0.5 mptcp; " +
			"290 reset 10.0.0.5; 290 wins 10.0.0.5 mptcp; 290 1 of 1 tried, by 10.0.0.5:22; 290 attempt 2 of 2, after one was lost",
	},
	{
		name: "retry: or MPTCP is dropped", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports, Banner: "SSH-"},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms, banner: 5 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 270 syn 10.0.0.5 mptcp; 290 ack 10.0.0.5; 290 close 10.0.0.5 mptcp; " +
			"290 close 10.0.0.5 mptcp; 295 wins 10.0.0.5; 295 1 of 1 tried, by 10.0.0.5:22; 295 before it mptcp: no answer",
	},
	{
		name: "retry: or the server is slow, and sees one connection", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports, Banner: "SSH-"},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 300 * ms}, "10.0.0.5": {rtt: 300 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 300 ack 10.0.0.5 mptcp; 300 close 10.0.0.5; 300 wins 10.0.0.5 mptcp; " +
			"300 1 of 1 tried, by 10.0.0.5:22",
	},
	{
		name: "retry: which it is nobody says before the next delay is over", targets: "10.0.0.5",
		dialer: Dialer{Transports: twoTransports, Banner: "SSH-", Timeout: 900 * ms},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 500 syn 10.0.0.5 mptcp; 500 syn 10.0.0.5; 900 close 10.0.0.5 mptcp; 900 close 10.0.0.5 mptcp; " +
			"900 close 10.0.0.5; 900 close 10.0.0.5; 900 race: context deadline exceeded; " +
			"  connect mptcp 10.0.0.5:22: context deadline exceeded at 900;   in 2 attempts; " +
			"  connect tcp 10.0.0.5:22: context deadline exceeded at 900;   in 2 attempts",
	},
	{
		name: "retry: of several addresses too, the gap apart, but for one that is answered meanwhile", targets: "10.0.0.5 10.0.0.6",
		dialer: Dialer{Transports: twoTransports, Banner: "SSH-"},
		hosts: hosts{"10.0.0.5": {rtt: 30 * ms}, "10.0.0.6": {rtt: 20 * ms},
			"10.0.0.5 mptcp": {rtt: 40 * ms, lost: 2}, "10.0.0.6 mptcp": {rtt: 275 * ms, mute: true}},
		want: "0 syn 10.0.0.5 mptcp; 10 syn 10.0.0.6 mptcp; 250 syn 10.0.0.5; 260 syn 10.0.0.6; 280 syn 10.0.0.5 mptcp; 285 ack 10.0.0.6 mptcp; " +
			"285 close 10.0.0.5 mptcp; 285 close 10.0.0.5 mptcp; 380 reset 10.0.0.5; 380 reset 10.0.0.6; 535 syn 10.0.0.5 mptcp; 535 syn 10.0.0.5; " +
			"535 syn 10.0.0.6; 575 ack 10.0.0.5 mptcp; 575 reset 10.0.0.6 mptcp; 575 reset 10.0.0.5; 575 reset 10.0.0.6; 575 wins 10.0.0.5 mptcp; " +
			"575 2 of 2 tried, by 10.0.0.5:22; 575 attempt 3 of 3",
	},
	{
		name: "retry: and for one that has to wait for another's banner before its gap is over: it begins once", targets: "10.0.0.5 10.0.0.6",
		dialer: Dialer{Transports: twoTransports, Banner: "SSH-"},
		hosts: hosts{"10.0.0.5": {rtt: 30 * ms}, "10.0.0.6": {rtt: 20 * ms},
			"10.0.0.5 mptcp": {rtt: 5 * ms, lost: 1, mute: true}, "10.0.0.6 mptcp": {rtt: 15 * ms, lost: 1, banner: 5 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 10 syn 10.0.0.6 mptcp; 250 syn 10.0.0.5; 260 syn 10.0.0.6; 280 syn 10.0.0.5 mptcp; 285 close 10.0.0.5 mptcp; " +
			"285 ack 10.0.0.5 mptcp; 285 close 10.0.0.6 mptcp; 380 reset 10.0.0.5; 380 reset 10.0.0.6; 535 syn 10.0.0.6 mptcp; 535 syn 10.0.0.5; " +
			"535 syn 10.0.0.6; 550 ack 10.0.0.6 mptcp; 555 reset 10.0.0.5 mptcp; 555 close 10.0.0.5; 555 reset 10.0.0.6; 555 wins 10.0.0.6 mptcp; " +
			"555 2 of 2 tried, by 10.0.0.6:22; 555 attempt 2 of 2",
	},
	{
		name: "retry: 250 ms after the first plain SYN where MPTCP is reset", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 20 * ms, err: refused}, "10.0.0.5": {rtt: 20 * ms, lost: 1}},
		want: "0 syn 10.0.0.5 mptcp; 20 close 10.0.0.5 mptcp; 20 syn 10.0.0.5; 270 syn 10.0.0.5; 290 close 10.0.0.5; 290 wins 10.0.0.5; " +
			"290 1 of 1 tried, by 10.0.0.5:22; 290 attempt 2 of 2, after one was lost; 290 before it mptcp: connection refused",
	},
	{
		name: "retry: both transports go on", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports, Timeout: 4000 * ms},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 750 syn 10.0.0.5; " +
			"3750 syn 10.0.0.5 mptcp; 3750 close 10.0.0.5 mptcp; 3750 syn 10.0.0.5; 3750 close 10.0.0.5; 4000 close 10.0.0.5 mptcp; " +
			"4000 close 10.0.0.5 mptcp; 4000 close 10.0.0.5; 4000 close 10.0.0.5; 4000 race: context deadline exceeded; " +
			"  connect mptcp 10.0.0.5:22: context deadline exceeded at 4000;   in 3 attempts; " +
			"  connect tcp 10.0.0.5:22: context deadline exceeded at 4000;   in 3 attempts",
	},
	{
		name: "retry: an answer that is slow is not lost, by either transport", targets: "10.0.0.5", dialer: Dialer{Transports: twoTransports},
		hosts: hosts{"10.0.0.5 mptcp": {rtt: 2500 * ms}, "10.0.0.5": {rtt: 2500 * ms}},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5; 750 syn 10.0.0.5; 2500 close 10.0.0.5 mptcp; " +
			"2500 close 10.0.0.5; 2500 close 10.0.0.5; 2500 wins 10.0.0.5 mptcp; 2500 1 of 1 tried, by 10.0.0.5:22; 2500 attempt 1 of 2",
	},
	{
		name: "retry: nor is a slow answer with a short delay", targets: "10.0.0.5", dialer: Dialer{Delay: 10 * ms},
		hosts: hosts{"10.0.0.5": {rtt: 200 * ms}},
		want: "0 syn 10.0.0.5; 10 syn 10.0.0.5; 30 syn 10.0.0.5; 70 syn 10.0.0.5; 200 close 10.0.0.5; 200 close 10.0.0.5; " +
			"200 close 10.0.0.5; 200 wins 10.0.0.5; 200 1 of 1 tried, by 10.0.0.5:22; 200 attempt 1 of 4",
	},
	{
		name: "retry: MPTCP that the kernel would give up is closed before, and there is always another", targets: "10.0.0.5", dialer: Dialer{Transports: onlyMPTCP},
		want: "0 syn 10.0.0.5 mptcp; 250 syn 10.0.0.5 mptcp; 750 syn 10.0.0.5 mptcp; 1750 syn 10.0.0.5 mptcp; 2750 close 10.0.0.5 mptcp; " +
			"3000 close 10.0.0.5 mptcp; 3500 close 10.0.0.5 mptcp; 3750 syn 10.0.0.5 mptcp; 4500 close 10.0.0.5 mptcp; " +
			"6500 close 10.0.0.5 mptcp; 6500 syn 10.0.0.5 mptcp; 7750 syn 10.0.0.5 mptcp; 9250 close 10.0.0.5 mptcp; " +
			"10000 close 10.0.0.5 mptcp; 10000 race: context deadline exceeded; " +
			"  connect mptcp 10.0.0.5:22: context deadline exceeded at 10000;   in 7 attempts",
	},
	{
		name: "retry: also where that is less than a long delay", targets: "10.0.0.5",
		dialer: Dialer{Transports: soonOver, Delay: 2000 * ms, Timeout: 1600 * ms},
		want: "0 syn 10.0.0.5 mptcp; 750 close 10.0.0.5 mptcp; 750 syn 10.0.0.5 mptcp; 1500 close 10.0.0.5 mptcp; 1500 syn 10.0.0.5 mptcp; " +
			"1600 close 10.0.0.5 mptcp; 1600 race: context deadline exceeded; " +
			"  connect mptcp 10.0.0.5:22: context deadline exceeded at 1600;   in 3 attempts",
	},
	{
		name: "retry: also with NoRetry", targets: "10.0.0.5", dialer: Dialer{Transports: onlyMPTCP, NoRetry: true},
		want: "0 syn 10.0.0.5 mptcp; 2750 close 10.0.0.5 mptcp; 2750 syn 10.0.0.5 mptcp; 5500 close 10.0.0.5 mptcp; " +
			"5500 syn 10.0.0.5 mptcp; 8250 close 10.0.0.5 mptcp; 8250 syn 10.0.0.5 mptcp; 10000 close 10.0.0.5 mptcp; " +
			"10000 race: context deadline exceeded;   connect mptcp 10.0.0.5:22: context deadline exceeded at 10000;   in 4 attempts",
	},
	{
		name: "retry: a Unix socket without room is asked every 50 ms", targets: "unix:/run/box", dialer: Dialer{NoRetry: true},
		hosts: hosts{"unix:/run/box": {inside: true, busy: 120 * ms}},
		want: "0 try unix:/run/box: resource temporarily unavailable; 50 try unix:/run/box: resource temporarily unavailable; " +
			"100 try unix:/run/box: resource temporarily unavailable; 150 syn unix:/run/box; 150 wins unix:/run/box; " +
			"150 1 of 1 tried, by unix:/run/box",
	},
	{
		name: "retry: until the deadline", targets: "unix:/run/box", dialer: Dialer{Timeout: 120 * ms},
		hosts: hosts{"unix:/run/box": {inside: true, busy: time.Second}},
		want: "0 try unix:/run/box: resource temporarily unavailable; 50 try unix:/run/box: resource temporarily unavailable; " +
			"100 try unix:/run/box: resource temporarily unavailable; 120 race: context deadline exceeded; " +
			"  connect unix unix:/run/box: resource temporarily unavailable: context deadline exceeded at 120",
	},
	{
		name: "retry: one that this machine refuses leaves the others", targets: "10.0.0.5", dialer: Dialer{Timeout: 800 * ms},
		hosts: hosts{"10.0.0.5": {rtt: 20 * ms, lost: 9, gone: 200 * ms}},
		want: "0 syn 10.0.0.5; 800 close 10.0.0.5; 800 race: context deadline exceeded; " +
			"  connect tcp 10.0.0.5:22: context deadline exceeded at 800",
	},
}
