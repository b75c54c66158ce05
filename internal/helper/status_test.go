//go:build unix

package helper

import (
	"fmt"
	"net"
	"testing"

	"fdrace/internal/engine"

	"golang.org/x/sys/unix"
)

// What is tried again later is named with what became of it.
func TestStatusTextOfWait(t *testing.T) {
	p := engine.Progress{At: 2312 * ms, Left: 7688 * ms, Waiting: []engine.Event{
		{Kind: engine.Failed, Candidate: engine.Candidate{Addr: addr("192.0.2.5:22"), Transport: "mptcp"}, Err: unix.ECONNREFUSED},
		{Kind: engine.Failed, Candidate: engine.Candidate{Addr: addr("192.0.2.5:22"), Transport: "tcp"}, Err: unix.ECONNREFUSED},
		{Kind: engine.Failed, Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Err: &net.DNSError{Err: "no such host", IsNotFound: true}},
	}}
	const want = "fdrace: 2.3 s, 7.7 s left: waiting for 192.0.2.5:22 (connection refused), box (no such host)"
	if got := statusText(p, 199); got != want {
		t.Error(got)
	}
}

func TestStatusText(t *testing.T) {
	lookup := func(host string, f engine.Family) engine.Event {
		return engine.Event{Kind: engine.Resolve, Candidate: engine.Candidate{Target: engine.Target{Host: host, Port: 22}}, Family: f}
	}
	start := func(to, by, via string) engine.Event {
		return engine.Event{Kind: engine.Start, Candidate: engine.Candidate{Addr: addr(to), Transport: by, Interface: via}}
	}
	some := []engine.Event{
		lookup("box", engine.IPv6), lookup("box", engine.IPv4), lookup("vpn\x1b\u009b", engine.IPv4),
		start("[2001:db8::5]:22", "mptcp", ""), start("[2001:db8::5]:22", "tcp", ""), start("192.0.2.5:22", "tcp", ""), start("192.0.2.5:22", "tcp", "lte0"),
	}
	var many []engine.Event
	for i := range 300 {
		many = append(many, start(fmt.Sprintf("10.0.%d.%d:22", i/256, i%256), "tcp", ""))
	}
	for _, tt := range []struct {
		trying []engine.Event
		width  int
		want   string
	}{
		{some, 199, "fdrace: 2.3 s, 7.7 s left: looking up box, vpn??, trying [2001:db8::5]:22, 192.0.2.5:22, 192.0.2.5:22 from lte0"},
		{some, 79, "fdrace: 2.3 s, 7.7 s left: looking up box, vpn?? and 3 more"},
		{some, 50, "fdrace: 2.3 s, 7.7 s left"},
		{some, 10, "fdrace: 2."},
		{some, -1, ""},
		{many, 79, "fdrace: 2.3 s, 7.7 s left: trying 10.0.0.0:22, 10.0.0.1:22 and 298 more"},
		{nil, 79, "fdrace: 2.3 s, 7.7 s left"},
	} {
		p := engine.Progress{At: 2312 * ms, Left: 7688 * ms, Trying: tt.trying}
		if got := statusText(p, tt.width); got != tt.want {
			t.Errorf("in %d columns %q, want %q", tt.width, got, tt.want)
		}
	}
}
