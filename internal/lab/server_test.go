//go:build linux

package lab

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestServers(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	at := netip.MustParseAddrPort("127.0.0.1:22")
	for _, c := range []struct {
		behavior string
		client   string // what it says at first
		want     string // what it hears in reply
		after    time.Duration
	}{
		{behavior: "silent"},
		{behavior: "banner", want: Banner},
		{behavior: "late 60ms", want: Banner, after: 60 * time.Millisecond},
		{behavior: "client", client: "SSH-2.0-me\r\n", want: Banner},
		{behavior: "lines", want: "Authorized use only.\r\nNot an SSH- line.\r\n" + Banner},
		{behavior: "banner echo", client: "hello", want: Banner + "hello"},
	} {
		m, err := parseBehavior(strings.Fields(c.behavior))
		if err != nil {
			t.Fatal(err)
		}
		s, err := Serve(h, at, m)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i, linger := range []int{-1, 0} { // a FIN, a RST
			conn := dial(t, h, at.String(), false)
			if err := conn.SetLinger(linger); err != nil {
				t.Error(err)
			}
			io.WriteString(conn, c.client)
			heard := make([]byte, len(c.want))
			if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != c.want {
				t.Errorf("%s: heard %q, %v", c.behavior, heard, err)
			}
			if took := time.Since(start); took < c.after {
				t.Errorf("%s: after %v", c.behavior, took)
			}
			conn.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			over := func(conns []Conn) bool { return len(conns) > i && conns[i].End != Open }
			if _, err := s.Await(ctx, over); err != nil {
				t.Errorf("%s: %v", c.behavior, err)
			}
		}
		var ends []End
		for _, conn := range s.Conns() {
			ends = append(ends, conn.End)
			if conn.Got != len(c.client) {
				t.Errorf("%s: got %d bytes", c.behavior, conn.Got)
			}
		}
		if !slices.Equal(ends, []End{ByFIN, ByRST}) {
			t.Errorf("%s: %v", c.behavior, ends)
		}
		open := dial(t, h, at.String(), false) // is no hindrance to
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		open.Close()
	}
	if m, err := parseBehavior([]string{"rude"}); err == nil {
		t.Errorf("rude is a behavior: %+v", m)
	}
}

func TestAwaitIsBounded(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	s, err := Serve(h, netip.MustParseAddrPort("127.0.0.1:22"), Behavior{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Await(ctx, func(conns []Conn) bool { return len(conns) > 0 }); err == nil {
		t.Error("nobody came, and no error")
	}
}
