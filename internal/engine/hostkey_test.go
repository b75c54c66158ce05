package engine

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var errStranger = errors.New("different host key")

// hostKeys is a check whose answer is peer.key: none needed if it is empty; "right"
// and "wrong" of a program after peer.verdict, "silent" of one that never says;
// "known wrong"; "elsewhere" (then right, "wrong" or to be checked "here") while another process checks, until peer.verdict;
// "later" until then.
func (f *fake) hostKeys() *HostKeyCheck {
	host := func(p Peer) peer {
		name := p.Addr.Addr().String()
		if p.Addr.Proxy != nil {
			name = p.Addr.String()
		}
		return f.hosts[name]
	}
	return &HostKeyCheck{
		Known: func(p Peer, _ []Target, _ int) error {
			switch h := host(p); {
			case h.key == "known wrong", h.key == "elsewhere, then wrong" && f.now >= h.verdict:
				return errStranger
			case strings.HasPrefix(h.key, "elsewhere") && f.now < h.verdict:
				return ErrBeingChecked
			case h.key == "later" && f.now < h.verdict:
				return ErrCheckLater
			case h.key == "" || h.key == "elsewhere":
				return nil
			}
			return ErrUnchecked
		},
		Start: func(p Peer, _, _ int) (int, error) {
			if host(p).key == "no program" {
				return 0, errors.New("no program")
			}
			return 1, nil
		},
		Verdict: func(p Peer, said string, ended bool) error {
			switch {
			case said == "" && !ended:
				return ErrUnchecked
			case host(p).key == "wrong":
				return errStranger
			}
			return nil
		},
	}
}

func (f *fake) StartCheck(fd int, start func(conn, stderr int) (int, error)) (int, error) {
	c := f.open[fd]
	p := f.hosts[strings.Fields(c.name)[0]]
	if _, err := start(fd, 0); err != nil {
		return -1, err
	}
	if !c.up {
		f.t.Errorf("StartCheck of %s, which has not connected", c.name)
	}
	f.say("check %s", c.name)
	c.checks = true
	f.show(c)
	f.nextFD++
	f.open[f.nextFD] = c
	delete(f.open, fd)
	if p.key != "silent" {
		f.after(p.verdict, event{ended: &completion{f.nextFD, nil}})
	}
	return f.nextFD, nil
}

func (f *fake) ReadCheck(check int) (said string, ended bool) {
	if c := f.open[check]; c == nil || !c.checks {
		f.t.Errorf("ReadCheck of %d", check)
	}
	return "a verdict", false
}

// Times in want are ms since the race began, exact.
func TestHostKeys(t *testing.T) {
	const right, wrong = "10.0.0.1", "10.0.0.2"
	for _, tt := range []raceCase{
		{
			name: "the right machine: a second connection is for ssh", targets: right,
			hosts: hosts{right: {rtt: 20 * ms, key: "right", verdict: 60 * ms}},
			want:  "0 syn R; 20 check R; 80 end check R; 80 syn R; 100 wins R; 100 1 of 1 tried, by R:22; 100 attempt 2 of 2",
		},
		{
			name: "the wrong one is nearer", targets: wrong + " " + right,
			hosts: hosts{wrong: {rtt: 10 * ms, key: "wrong", verdict: 30 * ms}, right: {rtt: 20 * ms, key: "right", verdict: 60 * ms}},
			want:  "0 syn W; 0 syn R; 10 check W; 40 end check W; 40 check R; 100 end check R; 100 syn R; 120 wins R; 120 2 of 2 tried, by R:22; 120 attempt 2 of 2",
		},
		{
			name: "one that needs no check waits for the one that is being checked", targets: right + " 10.0.0.3",
			hosts: hosts{right: {rtt: 10 * ms, key: "right", verdict: 60 * ms}, "10.0.0.3": {rtt: 30 * ms}},
			want:  "0 syn R; 0 syn 10.0.0.3; 10 check R; 70 end check R; 70 syn R; 80 reset 10.0.0.3; 80 wins R; 80 2 of 2 tried, by R:22; 80 attempt 2 of 2",
		},
		{
			name: "but not for longer than one delay", targets: right + " 10.0.0.3", dialer: Dialer{NoRetry: true},
			hosts: hosts{right: {rtt: 10 * ms, key: "silent"}, "10.0.0.3": {rtt: 250 * ms}},
			want:  "0 syn R; 0 syn 10.0.0.3; 10 check R; 270 end check R; 270 wins 10.0.0.3; 270 2 of 2 tried, by 10.0.0.3:22",
		},
		{
			name: "all are others", targets: wrong,
			hosts: hosts{wrong: {rtt: 10 * ms, key: "wrong", verdict: 30 * ms}},
			want:  "0 syn W; 10 check W; 40 end check W; 40 race: connect tcp W:22: different host key;   connect tcp W:22: different host key at 40",
		},
		{
			name: "what is known is not checked", targets: wrong,
			hosts: hosts{wrong: {rtt: 10 * ms, key: "known wrong"}},
			want:  "0 syn W; 10 reset W; 10 race: connect tcp W:22: different host key;   connect tcp W:22: different host key at 10",
		},
		{
			name: "another process checks: its server sees one connection", targets: right,
			hosts: hosts{right: {rtt: 10 * ms, key: "elsewhere", verdict: 50 * ms}},
			want:  "0 syn R; 10 reset R; 50 syn R; 60 wins R; 60 1 of 1 tried, by R:22; 60 attempt 2 of 2",
		},
		{
			name: "others check both: no connection is held", targets: wrong + " " + right,
			hosts: hosts{wrong: {rtt: 10 * ms, key: "elsewhere, then wrong", verdict: 60 * ms}, right: {rtt: 20 * ms, key: "elsewhere", verdict: 200 * ms}},
			want:  "0 syn W; 0 syn R; 10 reset W; 20 reset R; 200 syn R; 220 wins R; 220 2 of 2 tried, by R:22; 220 attempt 2 of 2",
		},
		{
			name: "others check the first: the second is checked here", targets: wrong + " " + right,
			hosts: hosts{wrong: {rtt: 10 * ms, key: "elsewhere, then wrong", verdict: 60 * ms}, right: {rtt: 20 * ms, key: "right", verdict: 100 * ms}},
			want:  "0 syn W; 0 syn R; 10 reset W; 20 check R; 120 end check R; 120 syn R; 140 wins R; 140 2 of 2 tried, by R:22; 140 attempt 2 of 2",
		},
		{
			name: "or dies while it does", targets: right,
			hosts: hosts{right: {rtt: 10 * ms, key: "elsewhere, then here", verdict: 40 * ms}},
			want:  "0 syn R; 10 reset R; 50 syn R; 60 check R; 100 end check R; 100 syn R; 110 wins R; 110 1 of 1 tried, by R:22; 110 attempt 3 of 3",
		},
		{
			name: "it finds another machine", targets: wrong,
			hosts: hosts{wrong: {rtt: 10 * ms, key: "elsewhere, then wrong", verdict: 40 * ms}},
			want:  "0 syn W; 10 reset W; 50 race: connect tcp W:22: different host key;   connect tcp W:22: different host key at 50",
		},
		{
			name: "by MPTCP the server has seen the connection already", targets: right, dialer: Dialer{Transports: []Transport{{EagerACK: true}}},
			hosts: hosts{right: {rtt: 10 * ms, key: "elsewhere", verdict: 50 * ms}},
			want:  "0 syn R; 50 wins R; 50 1 of 1 tried, by R:22",
		},
		{
			name: "it never ends: the other is not waited for", targets: right + " 10.0.0.3", dialer: Dialer{NoRetry: true},
			hosts: hosts{right: {rtt: 10 * ms, key: "elsewhere", verdict: time.Hour}, "10.0.0.3": {rtt: 20 * ms}},
			want:  "0 syn R; 0 syn 10.0.0.3; 10 reset R; 260 wins 10.0.0.3; 260 2 of 2 tried, by 10.0.0.3:22",
		},
		{
			name: "a check that is put off: others do not wait", targets: right + " 10.0.0.3",
			hosts: hosts{right: {rtt: 10 * ms, key: "later", verdict: time.Second}, "10.0.0.3": {rtt: 30 * ms}},
			want:  "0 syn R; 0 syn 10.0.0.3; 10 reset R; 30 wins 10.0.0.3; 30 2 of 2 tried, by 10.0.0.3:22",
		},
		{
			name: "a check that is put off, and no other is there", targets: right,
			hosts: hosts{right: {rtt: 10 * ms, key: "later", verdict: 50 * ms}},
			want:  "0 syn R; 10 reset R; 50 syn R; 60 check R; 110 end check R; 110 syn R; 120 wins R; 120 1 of 1 tried, by R:22; 120 attempt 3 of 3",
		},
		{
			name: "by MPTCP the server has seen the connection: it is checked at once", targets: right, dialer: Dialer{Transports: []Transport{{EagerACK: true}}},
			hosts: hosts{right: {rtt: 10 * ms, key: "later", verdict: 50 * ms}},
			want:  "0 syn R; 10 check R; 60 end check R; 60 syn R; 70 wins R; 70 1 of 1 tried, by R:22; 70 attempt 2 of 2",
		},
		{
			name: "the second connection is lost", targets: right,
			hosts: hosts{right: {rtt: 10 * ms, key: "right", verdict: 60 * ms, drops: 2}},
			want:  "0 syn R; 10 check R; 70 end check R; 70 syn R; 320 syn R; 330 close R; 330 wins R; 330 1 of 1 tried, by R:22; 330 attempt 3 of 3, after one was lost",
		},
		{
			name: "a banner is waited for on the second", targets: right, dialer: Dialer{Banner: "SSH-"},
			hosts: hosts{right: {rtt: 10 * ms, key: "right", verdict: 60 * ms, banner: 10 * ms}},
			want:  "0 syn R; 10 check R; 70 end check R; 70 syn R; 80 ack R; 90 wins R; 90 1 of 1 tried, by R:22; 90 attempt 2 of 2",
		},
		{
			name: "no program", targets: right,
			hosts: hosts{right: {rtt: 10 * ms, key: "no program"}},
			want:  "0 syn R; 10 reset R; 10 race: connect tcp R:22: cannot check its host key: no program;   connect tcp R:22: cannot check its host key: no program at 10",
		},
		{
			name: "the time is out", targets: right + " 10.0.0.3", dialer: Dialer{Timeout: 100 * ms},
			hosts: hosts{right: {rtt: 10 * ms, key: "silent"}, "10.0.0.3": {rtt: 10 * ms, key: "elsewhere", verdict: time.Hour}},
			want: "0 syn R; 0 syn 10.0.0.3; 10 check R; 100 end check R; 100 reset 10.0.0.3; 100 race: context deadline exceeded; " +
				"  connect tcp R:22: connected, but its host key was not checked: context deadline exceeded at 100; " +
				"  connect tcp 10.0.0.3:22: connected, but it was another server's turn to send a banner: context deadline exceeded at 100",
		},
		{
			name: "MPTCP", targets: right, dialer: Dialer{Transports: []Transport{{Name: "mptcp", EagerACK: true}, {}}},
			hosts: hosts{right + " mptcp": {rtt: 10 * ms}, right: {rtt: 10 * ms, key: "right", verdict: 60 * ms}},
			want:  "0 syn R mptcp; 10 check R mptcp; 70 end check R mptcp; 70 syn R mptcp; 80 wins R mptcp; 80 1 of 1 tried, by R:22; 80 attempt 2 of 2",
		},
		{
			name: "a race to the end", targets: wrong + " " + right, dialer: Dialer{RunAll: true, Timeout: 500 * ms},
			hosts: hosts{wrong: {rtt: 30 * ms, key: "silent"}, right: {rtt: 10 * ms, key: "right", verdict: 10 * ms}},
			want:  "0 syn W; 0 syn R; 10 check R; 20 end check R; 20 syn R; 30 reset R; 30 reset W; 30 2 of 2 tried, by R:22; 30 attempt 2 of 2",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: tt.zone, hosts: tt.hosts}
			tt.dialer.HostKey = f.hostKeys()
			got := strings.NewReplacer("\n", "; ", right, "R", wrong, "W").Replace(f.race(t, tt.dialer, tt.targets))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The proxy has been asked by the time that the target behind it is checked, and is
// asked again for ssh.
func TestHostKeyBehindProxy(t *testing.T) {
	const p8 = "socks5://10.0.0.8:1080"
	f := &fake{hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms, key: "right", verdict: 40 * ms}}}
	d := Dialer{Proxies: []Proxy{socks("10.0.0.8")}, HostKey: f.hostKeys()}
	const want = "0 syn P8; 20 ask P8; 50 check P8; 90 end check P8; 90 syn P8; 110 ask P8; 140 wins P8; 140 1 of 1 tried, by 10.0.0.8:1080; 140 attempt 2 of 2"
	if got := strings.NewReplacer("\n", "; ", p8, "P8").Replace(f.race(t, d, "")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
