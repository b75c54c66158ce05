//go:build unix

package helper

import (
	"testing"
	"time"

	"fdrace/internal/engine"

	"golang.org/x/sys/unix"
)

func TestFamilyWatch(t *testing.T) {
	v6, v4, other6 := addr("[2001:db8::5]:22"), addr("192.0.2.5:22"), addr("[2001:db8::6]:22")
	start := func(at int, a engine.Addr) engine.Event {
		return engine.Event{Kind: engine.Start, At: time.Duration(at) * ms, Candidate: engine.Candidate{Addr: a, Transport: "tcp"}}
	}
	fails := func(at int, a engine.Addr) engine.Event {
		e := start(at, a)
		e.Kind, e.Err = engine.Failed, unix.ECONNREFUSED
		return e
	}
	proxied := v6
	proxied.Proxy = &engine.Proxy{}
	for _, tt := range []struct {
		name   string
		events []engine.Event
		won    engine.Addr
		want   string
	}{
		{"IPv6 silent", []engine.Event{start(0, v6), start(250, v4)}, v4, "IPv6 does not answer: each login takes 250 ms longer"},
		{"IPv6 silent, its event a moment late", []engine.Event{start(1, v6), start(250, v4)}, v4, "IPv6 does not answer: each login takes 249 ms longer"},
		{"IPv4 silent", []engine.Event{start(10, v4), start(261, v6)}, v6, "IPv4 does not answer: each login takes 251 ms longer"},
		{"IPv6 refuses", []engine.Event{start(0, v6), fails(20, v6), start(20, v4)}, v4, ""},
		{"one of two refuses", []engine.Event{start(0, v6), fails(20, v6), start(20, other6), start(270, v4)}, v4, "IPv6 does not answer: each login takes 270 ms longer"},
		{"two targets", []engine.Event{start(0, v6), start(0, v4)}, v4, ""},
		{"IPv4 only", []engine.Event{start(0, v4)}, v4, ""},
		{"IPv6 wins", []engine.Event{start(0, v6), start(250, v4)}, v6, ""},
		{"a proxy", []engine.Event{start(0, proxied), start(250, v4)}, v4, ""},
		{"by a proxy", []engine.Event{start(0, v6), start(250, v4)}, proxied, ""},
	} {
		var w FamilyWatch
		for _, e := range tt.events {
			w.Note(e)
		}
		winner := &engine.Winner{Candidate: engine.Candidate{Addr: tt.won}}
		if got := w.Silent(winner, 250*ms); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestServerLogOfWinner(t *testing.T) {
	if got := ServerLog(&engine.Winner{Candidate: engine.Candidate{Transport: "mptcp"}}, nil, &engine.Dialer{}); got != "the server may log one connection that did not log in" {
		t.Error(got)
	}
	if got := ServerLog(&engine.Winner{}, nil, &engine.Dialer{Banner: "SSH-"}); got == "" {
		t.Error("nothing")
	}
	AwaitPardon("", time.Now())
	for _, d := range []engine.Dialer{{}, {Banner: "SSH-"}, {HostKey: &engine.HostKeyCheck{}}} {
		if got := ServerLog(&engine.Winner{Candidate: engine.Candidate{Transport: "tcp"}}, nil, &d); len(got) > 80 {
			t.Errorf("%q does not fit into a line of a terminal", got)
		}
	}
	AwaitPardon(logsNothing, time.Now())
	AwaitPardon("it has", time.Now().Add(-penalty)) // long ago: none of them waits
}
