package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Races that go on when they are won. What is said of the winner comes last. No
// connection of them is acknowledged, unless it is asked for its banner.
var runAllRaces = []raceCase{
	{
		name: "run all: the next address has its turn all the same", targets: "box", dialer: Dialer{RunAll: true}, zone: dual,
		hosts: hosts{"fd99::5": {rtt: 20 * ms}, "10.0.0.5": {rtt: 30 * ms}},
		want: "0 syn fd99::5; 20 reset fd99::5; 250 syn 10.0.0.5; 280 reset 10.0.0.5; " +
			"280 1 of 2 tried, by box:22",
	},
	{
		name: "run all: one that connects later is reset, one that is silent lasts as long as the race", targets: "10.0.0.1 10.0.0.2 10.0.0.3",
		dialer: Dialer{RunAll: true, Timeout: 2000 * ms},
		hosts:  hosts{"10.0.0.1": {rtt: 20 * ms}, "10.0.0.2": {rtt: 90 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 0 syn 10.0.0.3; 20 reset 10.0.0.1; " +
			"90 reset 10.0.0.2; 2000 close 10.0.0.3; 2000 3 of 3 tried, by 10.0.0.1:22",
	},
	{
		name: "run all: two in one batch", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{RunAll: true},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms}, "10.0.0.2": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 reset 10.0.0.1; " +
			"20 reset 10.0.0.2; 20 2 of 2 tried, by 10.0.0.1:22",
	},
	{
		name: "run all: the winner's twin has its turn, too", targets: "10.0.0.1", dialer: Dialer{RunAll: true, Transports: twoTransports},
		hosts: hosts{"10.0.0.1 mptcp": {rtt: 20 * ms}, "10.0.0.1": {rtt: 20 * ms, err: refused}},
		want: "0 syn 10.0.0.1 mptcp; 20 reset 10.0.0.1 mptcp; 250 syn 10.0.0.1; 270 close 10.0.0.1; " +
			"270 1 of 1 tried, by 10.0.0.1:22",
	},
	{
		name: "run all: a target that is ahead has had its chance", targets: "10.0.0.1 10.0.0.2", dialer: Dialer{RunAll: true, HeadStart: 500 * ms},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms}, "10.0.0.2": {rtt: 20 * ms}},
		want: "0 syn 10.0.0.1; 20 reset 10.0.0.1; 20 syn 10.0.0.2; 40 reset 10.0.0.2; " +
			"40 1 of 2 tried, by 10.0.0.1:22",
	},
	{
		name: "run all: the banner of the winner is waited for, and no other is acknowledged", targets: "10.0.0.1 10.0.0.2 10.0.0.3",
		dialer: Dialer{RunAll: true, Banner: "SSH-", Timeout: 2000 * ms},
		hosts:  hosts{"10.0.0.1": {rtt: 20 * ms, mute: true}, "10.0.0.2": {rtt: 300 * ms, banner: 20 * ms}, "10.0.0.3": {rtt: 400 * ms, banner: 20 * ms}},
		want: "0 syn 10.0.0.1; 0 syn 10.0.0.2; 0 syn 10.0.0.3; 20 ack 10.0.0.1; 270 syn 10.0.0.2; 270 syn 10.0.0.3; 300 close 10.0.0.2; " +
			"300 ack 10.0.0.2; 320 reset 10.0.0.2; 320 reset 10.0.0.1; 400 close 10.0.0.3; 400 reset 10.0.0.3; " +
			"400 3 of 3 tried, by 10.0.0.2:22; 400 attempt 1 of 2",
	},
	{
		name: "run all: MPTCP is given up when the race is won, and the twin shows the rest", targets: "10.0.0.1 10.0.0.2",
		dialer: Dialer{RunAll: true, Transports: twoTransports},
		hosts:  hosts{"10.0.0.1 mptcp": {rtt: 20 * ms}, "10.0.0.1": {rtt: 20 * ms}, "10.0.0.2": {rtt: 30 * ms}},
		want: "0 syn 10.0.0.1 mptcp; 10 syn 10.0.0.2 mptcp; 20 reset 10.0.0.1 mptcp; 20 close 10.0.0.2 mptcp; " +
			"250 syn 10.0.0.1; 260 syn 10.0.0.2; 270 reset 10.0.0.1; 290 reset 10.0.0.2; 290 2 of 2 tried, by 10.0.0.1:22",
	},
	{
		name: "run all: what would be seen is not begun when the race is won", targets: "box",
		dialer: Dialer{RunAll: true, Transports: twoTransports[:1]}, zone: dual,
		hosts: hosts{"fd99::5 mptcp": {rtt: 20 * ms}, "10.0.0.5 mptcp": {rtt: 20 * ms}},
		want:  "0 syn fd99::5 mptcp; 20 reset fd99::5 mptcp; 250 1 of 2 tried, by box:22",
	},
	{
		name: "run all: nobody wins", targets: "10.0.0.1", dialer: Dialer{RunAll: true},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}},
		want: "0 syn 10.0.0.1; 20 close 10.0.0.1; 20 race: connect tcp 10.0.0.1:22: connection refused; " +
			"  connect tcp 10.0.0.1:22: connection refused at 20",
	},
}

// What a race tells of itself while it lasts.
func TestProgress(t *testing.T) {
	f := &fake{dns: zone{"box A": {after: 550 * ms, addrs: "10.0.0.5"}}, hosts: hosts{}}
	var told []string
	f.race(t, Dialer{Timeout: 1000 * ms, OnProgress: func(p Progress) bool {
		line := fmt.Sprintf("%d, %d left:", p.At.Milliseconds(), p.Left.Milliseconds())
		for _, e := range p.Trying {
			line += fmt.Sprintf(" %s %s %s since %d", e.Kind, e.Target, e.Family, e.At/time.Millisecond)
		}
		told = append(told, line)
		return len(told) < 3
	}}, "10.0.0.9 box")
	want := []string{
		"500, 500 left: resolve box:22 IPv6 since 0 resolve box:22 IPv4 since 0 start 10.0.0.9:22 IPv6 or IPv4 since 0",
		"600, 400 left: resolve box:22 IPv6 since 0 start 10.0.0.9:22 IPv6 or IPv4 since 0 start box:22 IPv6 or IPv4 since 600",
		"700, 300 left: resolve box:22 IPv6 since 0 start 10.0.0.9:22 IPv6 or IPv4 since 0 start box:22 IPv6 or IPv4 since 600",
	}
	if !slices.Equal(told, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}
