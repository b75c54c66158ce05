package engine

import (
	"errors"
	"strings"
	"testing"
)

// Times in want are ms since the race began, exact.
func TestCommands(t *testing.T) {
	box := Target{"box", 22}
	one := []Command{{Name: "jump", Target: box}}
	two := []Command{{Name: "jump", Target: box}, {Name: "nc", Target: box}}
	exit := exitError{status: 255}
	const p8 = "socks5://10.0.0.8:1080"
	for _, tt := range []raceCase{
		{
			name: "the target answers: no command starts", targets: "10.0.0.5", dialer: Dialer{Commands: one},
			hosts: hosts{"10.0.0.5": {rtt: 990 * ms, lost: 0}},
			want:  "0 syn 10.0.0.5; 250 syn 10.0.0.5; 750 syn 10.0.0.5; 990 close 10.0.0.5; 990 close 10.0.0.5; 990 wins 10.0.0.5; 990 1 of 2 tried, by 10.0.0.5:22; 990 attempt 1 of 3",
		},
		{
			name: "it is silent: one starts after a second", targets: "10.0.0.5", dialer: Dialer{Commands: one, NoRetry: true},
			hosts: hosts{"jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 1000 run jump; 1300 close 10.0.0.5; 1300 wins jump; 1300 2 of 2 tried, by box:22",
		},
		{
			name: "it refuses: at once", targets: "10.0.0.5", dialer: Dialer{Commands: one},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}, "jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 20 close 10.0.0.5; 20 run jump; 320 wins jump; 320 2 of 2 tried, by box:22",
		},
		{
			name: "after the last target", targets: "10.0.0.5 10.0.0.6", dialer: Dialer{Commands: one, HeadStart: 100 * ms, Fallback: 500 * ms, NoRetry: true},
			hosts: hosts{"jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 100 syn 10.0.0.6; 600 run jump; 900 close 10.0.0.5; 900 close 10.0.0.6; 900 wins jump; 900 3 of 3 tried, by box:22",
		},
		{
			name: "the target answers while the command logs in", targets: "10.0.0.5", dialer: Dialer{Commands: one, NoRetry: true},
			hosts: hosts{"10.0.0.5": {rtt: 1200 * ms}, "jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 1000 run jump; 1200 close jump; 1200 wins 10.0.0.5; 1200 2 of 2 tried, by 10.0.0.5:22",
		},
		{
			name: "without targets, at once; the next after another second", dialer: Dialer{Commands: two},
			hosts: hosts{"jump": {rtt: 1300 * ms}, "nc": {rtt: 500 * ms}},
			want:  "0 run jump; 1000 run nc; 1300 close nc; 1300 wins jump; 1300 2 of 2 tried, by box:22",
		},
		{
			name: "or when one has failed", dialer: Dialer{Commands: two},
			hosts: hosts{"jump": {rtt: 30 * ms, err: exit}, "nc": {rtt: 500 * ms}},
			want:  "0 run jump; 30 reset jump; 30 run nc; 530 wins nc; 530 2 of 2 tried, by box:22",
		},
		{
			name: "one that cannot start", dialer: Dialer{Commands: two},
			hosts: hosts{"jump": {inside: true, err: exit}, "nc": {rtt: 500 * ms}},
			want:  "0 try jump: exited with status 255 without a connection; 0 run nc; 500 wins nc; 500 2 of 2 tried, by box:22",
		},
		{
			name: "all fail", targets: "10.0.0.5", dialer: Dialer{Commands: two},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}, "jump": {rtt: 30 * ms, err: exit}, "nc": {rtt: 50 * ms, err: exitError{signal: 15}}},
			want: "0 syn 10.0.0.5; 20 close 10.0.0.5; 20 run jump; 50 reset jump; 50 run nc; 100 reset nc; 100 race: all 3 candidates failed; " +
				"  connect tcp 10.0.0.5:22: connection refused at 20; " +
				"  connect command jump: exited with status 255 without a connection at 50; " +
				"  connect command nc: ended by signal 15 without a connection at 100",
		},
		{
			name: "a proxy goes first", targets: "10.0.0.5", dialer: Dialer{Proxies: []Proxy{socks("10.0.0.8")}, Commands: one},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}, p8: {rtt: 20 * ms, reply: 30 * ms, refuse: refused}, "jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 20 close 10.0.0.5; 20 ask P8; 50 reset P8; 50 run jump; 350 wins jump; 350 3 of 3 tried, by box:22",
		},
		{
			name: "but does not hold it up", targets: "10.0.0.5", dialer: Dialer{Proxies: []Proxy{socks("10.0.0.8")}, Commands: one},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}, p8: {rtt: 20 * ms, deaf: true}, "jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 20 close 10.0.0.5; 20 ask P8; 1000 run jump; 1300 reset P8; 1300 wins jump; 1300 3 of 3 tried, by box:22",
		},
		{
			name: "a person types: the timeout is for the others", targets: "10.0.0.5 box", zone: zone{"box A": {after: 60000 * ms}},
			dialer: Dialer{Commands: one, Timeout: 1500 * ms, NoRetry: true, Family: IPv4},
			hosts:  hosts{"jump": {rtt: 60000 * ms}},
			want:   "0 syn 10.0.0.5; 1000 run jump; 1500 close 10.0.0.5; 61000 wins jump; 61000 2 of 2 tried, by box:22",
		},
		{
			name: "a timeout before the fallback", targets: "10.0.0.5", dialer: Dialer{Commands: one, Timeout: 500 * ms, NoRetry: true},
			hosts: hosts{"jump": {rtt: 300 * ms, err: exit}},
			want: "0 syn 10.0.0.5; 500 close 10.0.0.5; 500 run jump; 800 reset jump; 800 race: all 2 candidates failed; " +
				"  connect tcp 10.0.0.5:22: context deadline exceeded at 500; " +
				"  connect command jump: exited with status 255 without a connection at 800",
		},
		{
			name: "nobody types", dialer: Dialer{Commands: one},
			hosts: hosts{"jump": {deaf: true}},
			want: "0 run jump; 120000 close jump; 120000 race: connect command jump: no SSH banner within 2 minutes; " +
				"  connect command jump: no SSH banner within 2 minutes at 120000",
		},
		{
			name: "a banner in two parts", dialer: Dialer{Commands: one},
			hosts: hosts{"jump": {rtt: 300 * ms, half: true}},
			want:  "0 run jump; 310 wins jump; 310 1 of 1 tried, by box:22",
		},
		{
			name: "beside a server that accepts and is silent", targets: "10.0.0.5", dialer: Dialer{Commands: one, Banner: "SSH-", NoRetry: true},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, mute: true}, "jump": {rtt: 300 * ms}},
			want:  "0 syn 10.0.0.5; 20 ack 10.0.0.5; 1000 run jump; 1300 reset 10.0.0.5; 1300 wins jump; 1300 2 of 2 tried, by box:22",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: tt.zone, hosts: tt.hosts}
			got := f.race(t, tt.dialer, tt.targets)
			if want := strings.NewReplacer("P8", p8, "; ", "\n").Replace(tt.want); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// ssh goes away while a command asks for a passphrase.
func TestCommandHangup(t *testing.T) {
	f := &fake{hosts: hosts{"jump": {deaf: true}}, end: ErrHangup, ends: 30000 * ms}
	f.start(t, &Dialer{})
	_, err := f.run(t, &Dialer{Commands: []Command{{Name: "jump"}}}, nil)
	if !errors.Is(err, ErrHangup) || f.now != 30000*ms {
		t.Errorf("%v at %v", err, f.now)
	}
}
