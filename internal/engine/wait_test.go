package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Times in want are ms since the race began, exact.
func TestWait(t *testing.T) {
	refuses := &peer{rtt: 20 * ms, err: refused}
	penalizes := &peer{rtt: 20 * ms, banner: 10 * ms, said: "Not allowed at this time"}
	closes := &peer{rtt: 20 * ms, banner: 10 * ms, said: "restarting"}
	minute := Dialer{Wait: time.Minute, NoRetry: true}
	banner := Dialer{Wait: time.Minute, NoRetry: true, Banner: "SSH-"}
	for _, tt := range []raceCase{
		{
			name: "it refuses, and then is there", targets: "10.0.0.5", dialer: minute,
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, up: 700 * ms, before: refuses}},
			want:  "0 syn R; 20 close R; 500 syn R; 520 close R; 1000 syn R; 1020 wins R; 1020 1 of 1 tried, by R:22; 1020 attempt 3 of 3",
		},
		{
			name: "it is silent: a round ends with the timeout", targets: "10.0.0.5", dialer: Dialer{Wait: time.Minute, NoRetry: true, Timeout: 2 * time.Second},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, up: 2500 * ms}},
			want:  "0 syn R; 2000 close R; 2000 syn R; 4000 close R; 4000 syn R; 4020 wins R; 4020 1 of 1 tried, by R:22",
		},
		{
			name: "one address refuses while the other is silent", targets: "box", zone: dual, dialer: minute,
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, up: 1500 * ms, before: refuses}},
			want: "0 syn fd99::5; 250 syn R; 270 close R; 750 syn R; 770 close R; 1250 syn R; 1270 close R; 1750 syn R; 1770 close fd99::5; " +
				"1770 wins R; 1770 2 of 2 tried, by box:22; 1770 attempt 4 of 4",
		},
		{
			name: "its name is missing", targets: "box", dialer: minute,
			zone:  zone{"box A": {after: 5 * ms, addrs: "10.0.0.5", from: 1500 * ms}, "box AAAA": {after: 5 * ms, err: nxdomain}},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
			want:  "1505 syn R; 1525 wins R; 1525 1 of 1 tried, by box:22",
		},
		{
			name: "a MAC address is looked for again", targets: "00:00:5e:00:53:01", dialer: minute,
			zone: zone{"00:00:5e:00:53:01 MAC": {after: 1 * ms, addrs: "fe80::1%eth0", more: true}, "00:00:5e:00:53:01 MAC again": {after: 3000 * ms, err: servfail},
				"00:00:5e:00:53:01 MAC later": {from: 3 * time.Second, after: 1 * ms, addrs: "fe80::1%eth0 10.0.0.5"}},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
			want:  "1 syn fe80::1%eth0; 3001 syn R; 3021 close fe80::1%eth0; 3021 wins R; 3021 2 of 2 tried, by 00:00:5e:00:53:01 port 22",
		},
		{
			name: "a server that closes the connection is left alone for longer and longer", targets: "10.0.0.5", dialer: banner,
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, banner: 10 * ms, up: 20 * time.Second, before: closes}},
			want: "0 syn R; 20 ack R; 30 reset R; 1030 syn R; 1050 ack R; 1060 reset R; 3060 syn R; 3080 ack R; 3090 reset R; 7090 syn R; 7110 ack R; 7120 reset R; " +
				"15120 syn R; 15140 ack R; 15150 reset R; 23150 syn R; 23170 ack R; 23180 wins R; 23180 1 of 1 tried, by R:22; 23180 attempt 2 of 2",
		},
		{
			name: "and one that penalizes for 15 s, whatever a round is", targets: "10.0.0.5", dialer: banner,
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, banner: 10 * ms, up: 10 * time.Second, before: penalizes}},
			want:  "0 syn R; 20 ack R; 30 reset R; 15030 syn R; 15050 ack R; 15060 wins R; 15060 1 of 1 tried, by R:22",
		},
		{
			name: "and one that accepts and is silent", targets: "10.0.0.5", dialer: Dialer{Wait: time.Minute, NoRetry: true, Banner: "SSH-", Timeout: 2 * time.Second},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, banner: 10 * ms, up: 12 * time.Second, before: &peer{rtt: 20 * ms, mute: true}}},
			want: "0 syn R; 20 ack R; 2000 reset R; 3000 syn R; 3020 ack R; 5000 reset R; 7000 syn R; 7020 ack R; 9000 reset R; " +
				"13000 syn R; 13020 ack R; 13030 wins R; 13030 1 of 1 tried, by R:22",
		},
		{
			name: "and one whose check does not end", targets: "10.0.0.5", dialer: Dialer{Wait: 5 * time.Second, NoRetry: true, Timeout: 1500 * ms},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, key: "silent", verdict: time.Hour}},
			want: "0 syn R; 20 check R; 1500 end check R; 2500 syn R; 2520 check R; 4000 end check R; 5000 race: context deadline exceeded; " +
				"  connect tcp R:22: connected, but its host key was not checked: context deadline exceeded at 4000",
		},
		{
			name: "another host is not left alone meanwhile", targets: "10.0.0.6 10.0.0.5", dialer: Dialer{Wait: time.Minute, Banner: "SSH-", Timeout: time.Second},
			hosts: hosts{"10.0.0.6": {rtt: 20 * ms, mute: true}, "10.0.0.5": {rtt: 20 * ms, banner: 10 * ms, up: 1500 * ms, before: refuses}},
			want: "0 syn 10.0.0.6; 0 syn R; 20 ack 10.0.0.6; 20 close R; 500 syn R; 520 close R; 1000 reset 10.0.0.6; 1000 syn R; 1020 close R; 1500 syn R; " +
				"1520 ack R; 1530 wins R; 1530 2 of 2 tried, by R:22; 1530 attempt 4 of 4",
		},
		{
			name: "one that accepts at the end of a round has its time", targets: "10.0.0.5", dialer: Dialer{Wait: time.Minute, NoRetry: true, Banner: "SSH-", Timeout: 1100 * ms},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, banner: 300 * ms, up: 900 * ms, before: refuses}},
			want:  "0 syn R; 20 close R; 500 syn R; 520 close R; 1000 syn R; 1020 ack R; 1320 wins R; 1320 1 of 1 tried, by R:22; 1320 attempt 3 of 3",
		},
		{
			name: "a round takes a second at least", targets: "10.0.0.5", dialer: Dialer{Wait: 2500 * ms, NoRetry: true, Timeout: 10 * ms},
			want: "0 syn R; 1000 close R; 1000 syn R; 2000 close R; 2000 syn R; 2500 close R; 2500 race: context deadline exceeded; " +
				"  connect tcp R:22: context deadline exceeded at 2500",
		},
		{
			name: "the time is out: each candidate once", targets: "10.0.0.5 10.0.0.6 box", dialer: Dialer{Wait: 1200 * ms, NoRetry: true},
			zone:  zone{"box A": {after: 5 * ms, err: nxdomain}, "box AAAA": {after: 5 * ms, err: nxdomain}},
			hosts: hosts{"10.0.0.5": *refuses},
			want: "0 syn R; 0 syn 10.0.0.6; 20 close R; 500 syn R; 520 close R; 1000 syn R; 1020 close R; 1200 close 10.0.0.6; 1200 race: context deadline exceeded; " +
				"  box: lookup box: no such host at 1005;   connect tcp R:22: connection refused at 1020;   in 3 attempts;   connect tcp 10.0.0.6:22: context deadline exceeded at 1200",
		},
		{
			name: "a command starts once", targets: "10.0.0.5", dialer: Dialer{Wait: 5 * time.Second, NoRetry: true, Timeout: 1500 * ms, Commands: []Command{{Name: "jump", Target: Target{"box", 22}}}},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, up: 2 * time.Second}, "jump": {rtt: 100 * ms, err: exitError{status: 255}}},
			want: "0 syn R; 1000 run jump; 1100 reset jump; 1500 close R; 1500 syn R; 3000 close R; 3000 syn R; 3020 wins R; " +
				"3020 2 of 2 tried, by R:22",
		},
		{
			name: "half of a command's banner has come when a round ends", targets: "10.0.0.5", dialer: Dialer{Wait: 5 * time.Second, NoRetry: true, Timeout: 1100 * ms, Commands: []Command{{Name: "jump", Target: Target{"box", 22}}}},
			hosts: hosts{"jump": {rtt: 95 * ms, half: true}},
			want:  "0 syn R; 1000 run jump; 1100 close R; 1100 syn R; 1105 close R; 1105 wins jump; 1105 2 of 2 tried, by box:22",
		},
		{
			name: "a proxy that cannot reach the target is asked again", dialer: Dialer{Wait: 5 * time.Second, Proxies: []Proxy{socks("10.0.0.8")}},
			hosts: hosts{"socks5://10.0.0.8:1080": {rtt: 20 * ms, reply: 30 * ms, up: 500 * ms, before: &peer{rtt: 20 * ms, reply: 30 * ms, refuse: &ProxyError{Said: "host unreachable"}}}},
			want:  "0 syn P; 20 ask P; 50 reset P; 500 syn P; 520 ask P; 550 wins P; 550 1 of 1 tried, by 10.0.0.8:1080; 550 attempt 2 of 2",
		},
		{
			name: "both transports refuse", targets: "10.0.0.5", dialer: Dialer{Wait: 5 * time.Second, Transports: []Transport{{Name: "mptcp", EagerACK: true}, {}}},
			hosts: hosts{"10.0.0.5 mptcp": *refuses, "10.0.0.5": {rtt: 20 * ms, up: 400 * ms, before: refuses}},
			want: "0 syn R mptcp; 20 close R mptcp; 20 syn R; 40 close R; 500 syn R mptcp; 520 close R mptcp; 520 syn R; 540 wins R; " +
				"540 1 of 1 tried, by R:22; 540 attempt 2 of 2; 540 before it mptcp: connection refused",
		},
		{
			name: "it does nothing where the race is won at once", targets: "10.0.0.5", dialer: minute,
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms}},
			want:  "0 syn R; 20 wins R; 20 1 of 1 tried, by R:22",
		},
		{
			name: "a host key is checked when there is one", targets: "10.0.0.5", dialer: minute,
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, key: "right", verdict: 50 * ms, up: 300 * ms, before: refuses}},
			want:  "0 syn R; 20 close R; 500 syn R; 520 check R; 570 end check R; 570 syn R; 590 wins R; 590 1 of 1 tried, by R:22; 590 attempt 3 of 3",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: tt.zone, hosts: tt.hosts}
			tt.dialer.HostKey = f.hostKeys()
			got := strings.ReplaceAll(f.race(t, tt.dialer, tt.targets), "\n", "; ")
			got = strings.ReplaceAll(got, "socks5://10.0.0.8:1080", "P")
			got = strings.ReplaceAll(got, "10.0.0.5", "R")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What a person can see of it: what is under way, and what is tried again later.
func TestWaitProgress(t *testing.T) {
	f := &fake{hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}}, dns: zone{"box A": {err: nxdomain}, "box AAAA": {err: nxdomain}}}
	var waiting []string
	d := Dialer{Wait: 700 * ms, OnProgress: func(p Progress) bool {
		if p.At < 600*ms {
			return true
		}
		for _, e := range p.Waiting {
			waiting = append(waiting, e.Target.Host+": "+e.Err.Error())
		}
		return false
	}}
	f.race(t, d, "10.0.0.5 box")
	if got := strings.Join(waiting, "; "); got != "10.0.0.5: connection refused; box: lookup box: no such host" {
		t.Error(got)
	}
}

// TestRandomWaits has races of networks drawn at random wait: they end in time, leave no
// descriptor, and tell of each candidate once.
func TestRandomWaits(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := drawWorld(r)
		w.dialer.Wait = time.Duration(r.IntN(30000)+1) * ms
		if r.IntN(2) == 0 {
			w.dialer.OnProgress = func(Progress) bool { return true }
		}
		for name, p := range w.hosts {
			if p.up = time.Duration(r.IntN(20000)) * ms; r.IntN(2) == 0 {
				p.before = &peer{rtt: p.rtt, err: refused}
			}
			w.hosts[name] = p
		}
		var targets []Target
		for _, word := range w.targets {
			target, err := ParseTarget(word, 22)
			if err != nil {
				t.Fatal(err)
			}
			targets = append(targets, target)
		}
		_, err := w.run(t, &w.dialer, targets)
		var lost *Error
		if errors.As(err, &lost) {
			seen := map[string]bool{}
			for _, f := range lost.Failures {
				name := fmt.Sprint(f.Target, f.Family, f.Addr, f.Interface, f.Transport)
				if seen[name] {
					t.Errorf("twice: %v", f)
				}
				seen[name] = true
			}
		}
		if len(w.dialer.Commands) == 0 && w.now > w.dialer.Wait {
			t.Errorf("it ended at %v", w.now)
		}
		if t.Failed() {
			t.Fatalf("seed %d: %v by %+v\n%s", seed, w.targets, w.dialer, strings.Join(w.log, "\n"))
		}
	}
}
