//go:build unix

package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"

	"golang.org/x/sys/unix"
)

const ms = time.Millisecond

// local is an errno as connect(2) gives it.
type local struct{ unix.Errno }

func (e local) Unwrap() error        { return e.Errno }
func (e local) Is(target error) bool { return target == engine.ErrLocal }

func addr(s string) engine.Addr { return engine.Addr{AddrPort: netip.MustParseAddrPort(s)} }

func TestLossLines(t *testing.T) {
	box, other := engine.Target{Host: "box", Port: 22}, engine.Target{Host: "192.0.2.9", Port: 2222}
	v6, v4 := addr("[2001:db8::5]:22"), addr("192.0.2.5:22")
	nowhere := &net.DNSError{Err: "no such host", Name: "box", IsNotFound: true}
	for _, tt := range []struct {
		name    string
		targets []engine.Target
		lost    engine.Error
		want    string
	}{
		{"one address", []engine.Target{other}, engine.Error{Failures: []engine.Failure{
			{Candidate: engine.Candidate{Target: other, Addr: addr("192.0.2.9:2222"), Transport: "tcp"}, Err: unix.ECONNREFUSED, At: 1234567},
		}}, `fdrace: no connection to 192.0.2.9:2222: connection refused
  192.0.2.9:2222 over TCP: connection refused (1.2 ms)`},
		{"two addresses", []engine.Target{box}, engine.Error{Failures: []engine.Failure{
			{Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "mptcp"}, Err: local{unix.ENETUNREACH}},
			{Candidate: engine.Candidate{Target: box, Addr: v4, Transport: "tcp"}, Err: unix.ECONNREFUSED, At: 21 * ms},
		}}, `fdrace: no connection to box:22: both attempts failed
  [2001:db8::5]:22 over MPTCP: network is unreachable (no IPv6 route) (0.0 ms)
  192.0.2.5:22 over TCP: connection refused (21.0 ms)`},
		{"no such host", []engine.Target{box}, engine.Error{Failures: []engine.Failure{{Candidate: engine.Candidate{Target: box}, Err: nowhere, At: 5 * ms}}},
			`fdrace: no connection to box:22: no such host
  box: no such host (5.0 ms)
fdrace: hint: the name does not exist in DNS or /etc/hosts: check the spelling`},
		{"a name server that fails", []engine.Target{box}, engine.Error{Failures: []engine.Failure{
			{Candidate: engine.Candidate{Target: box}, Err: &net.DNSError{Err: "server misbehaving", Name: "box"}, At: 5 * ms}}},
			`fdrace: no connection to box:22: name lookup failed: server misbehaving
  box: name lookup failed: server misbehaving (5.0 ms)
fdrace: hint: the name servers (/etc/resolv.conf lists them) do not work: try the IP address instead of the name`},
		{"timeout", []engine.Target{box, other}, engine.Error{Cause: context.DeadlineExceeded, Failures: []engine.Failure{
			{Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Err: context.DeadlineExceeded, At: 3000 * ms},
			{Candidate: engine.Candidate{Target: box}, Family: engine.IPv4, Err: context.DeadlineExceeded, At: 3000 * ms},
		}}, `fdrace: no connection to any of 2 targets: timed out after 3s
  [2001:db8::5]:22 (box) over TCP: timed out after 3s
  box: no answer for its IPv4 addresses: timed out after 3s`},
		{"one address by several targets, and a socket", []engine.Target{box, other}, engine.Error{Failures: []engine.Failure{
			{Candidate: engine.Candidate{Target: other, Addr: addr("192.0.2.9:2222"), Transport: "tcp"}, Also: []engine.Target{box}, Err: unix.ECONNREFUSED},
			{Candidate: engine.Candidate{Target: engine.Target{Host: "unix:/run/box"}, Addr: engine.Addr{Socket: resolve.Socket{Path: "/run/box"}}, Transport: "unix"}, Err: unix.ENOENT},
		}}, `fdrace: no connection to any of 2 targets: both attempts failed
  192.0.2.9:2222 (box) over TCP: connection refused (0.0 ms)
  unix:/run/box: no such file or directory (0.0 ms)`},
		{"an errno that needs words", []engine.Target{box}, engine.Error{Failures: []engine.Failure{
			{Candidate: engine.Candidate{Target: box, Addr: v4, Transport: "tcp"}, Err: local{unix.EACCES}}}},
			`fdrace: no connection to box:22: permission denied (a route or a security policy of this machine forbids it)
  192.0.2.5:22 over TCP: permission denied (a route or a security policy of this machine forbids it) (0.0 ms)`},
		{"the race could not begin", []engine.Target{box}, engine.Error{Cause: os.NewSyscallError("poll", unix.ENOMEM)},
			`fdrace: no connection to box:22: poll: cannot allocate memory`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(lossLines(&raceError{error: fmt.Errorf("wrapped: %w", &tt.lost), targets: tt.targets, dialer: &engine.Dialer{Timeout: 3 * time.Second}}), "\n")
			tt.want += "\n" + seeDoctor
			if got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestEvent(t *testing.T) {
	nowhere := &net.DNSError{Err: "no such host", Name: "box", IsNotFound: true}
	box := engine.Target{Host: "box", Port: 22}
	v6 := addr("[2001:db8::5]:22")
	for want, e := range map[string]engine.Event{
		"fdrace:   0.0 ms  resolve box, IPv6":                                                        {Kind: engine.Resolve, Candidate: engine.Candidate{Target: box}, Family: engine.IPv6},
		"fdrace:  10.0 ms  resolved box, IPv6 2001:db8::5":                                           {At: 10 * ms, Kind: engine.Resolved, Candidate: engine.Candidate{Target: box}, Family: engine.IPv6, Addrs: []netip.Addr{v6.Addr()}},
		"fdrace:  10.0 ms  resolved box, IPv6 2001:db8::5, in place of the answer before":            {At: 10 * ms, Kind: engine.Resolved, Candidate: engine.Candidate{Target: box}, Family: engine.IPv6, Addrs: []netip.Addr{v6.Addr()}, Replaces: true},
		"fdrace:  10.0 ms  start [2001:db8::5]:22 over MPTCP":                                        {At: 10 * ms, Kind: engine.Start, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "mptcp"}},
		"fdrace:  10.0 ms  failed [2001:db8::5]:22 over TCP: connection refused":                     {At: 10 * ms, Kind: engine.Failed, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Err: unix.ECONNREFUSED},
		"fdrace: 250.0 ms  start [2001:db8::5]:22 over TCP, attempt 2":                               {At: 250 * ms, Kind: engine.Start, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Attempt: 2},
		"fdrace: 260.0 ms  won [2001:db8::5]:22 over TCP, 3 attempts":                                {At: 260 * ms, Kind: engine.Won, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Attempt: 3},
		"fdrace: 260.0 ms  won [2001:db8::5]:22 over TCP":                                            {At: 260 * ms, Kind: engine.Won, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Attempt: 1},
		"fdrace: 3000.0 ms  cancelled [2001:db8::5]:22 over TCP: timed out":                          {At: 3000 * ms, Kind: engine.Cancelled, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Err: context.DeadlineExceeded},
		"fdrace:   5.0 ms  failed box: no such host":                                                 {At: 5 * ms, Kind: engine.Failed, Candidate: engine.Candidate{Target: box}, Err: nowhere},
		"fdrace:   5.0 ms  failed [2001:db8::5]:22: not tried":                                       {At: 5 * ms, Kind: engine.Failed, Candidate: engine.Candidate{Target: box, Addr: v6}, Err: errors.New("not tried")},
		"fdrace:  20.0 ms  cancelled [2001:db8::5]:22 over MPTCP from eth0":                          {At: 20 * ms, Kind: engine.Cancelled, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "mptcp", Interface: "eth0"}},
		"fdrace: 3000.0 ms  cancelled box, IPv4: timed out":                                          {At: 3000 * ms, Kind: engine.Cancelled, Candidate: engine.Candidate{Target: box}, Family: engine.IPv4, Err: context.DeadlineExceeded},
		"fdrace:   0.1 ms  failed [2001:db8::5]:22 over TCP: network is unreachable (no IPv6 route)": {At: 100000, Kind: engine.Failed, Candidate: engine.Candidate{Target: box, Addr: v6, Transport: "tcp"}, Err: local{unix.ENETUNREACH}},
	} {
		if got := eventLine(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWinnerOfPlainTCP(t *testing.T) {
	off := fmt.Errorf("MPTCP is off on this machine (net.mptcp.enabled=0): %w", unix.ENOPROTOOPT)
	for _, tt := range []struct {
		before error
		want   string
	}{
		{nil, "over TCP in"},
		{engine.ErrNoAnswer, "over TCP (MPTCP packets are dropped on the way) in"},
		{engine.ErrNoBanner, "over TCP (MPTCP connects, but its data are dropped on the way) in"},
		{unix.ECONNREFUSED, "over TCP (MPTCP is reset on the way) in"},
		{off, "over TCP (" + off.Error() + ") in"},
	} {
		w := &engine.Winner{Candidate: engine.Candidate{Addr: addr("192.0.2.5:22"), Transport: "tcp"}, Elapsed: 270 * ms, Tried: 1, Known: 2}
		if tt.before != nil {
			w.Before = []engine.Failure{{Candidate: engine.Candidate{Addr: w.Addr, Transport: "mptcp"}, Err: tt.before}}
		}
		if got, want := winnerLine(w), "fdrace: 192.0.2.5:22 "+tt.want+" 270.0 ms, 1 of 2 tried"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWinnerOfSeveralAttempts(t *testing.T) {
	for _, tt := range []struct {
		attempt, attempts int
		lost              bool
		want              string
	}{
		{1, 1, false, ""},
		{1, 2, false, ", 2 attempts"}, // it was late
		{2, 2, false, ", 2 attempts"}, // the first had to wait for another's banner
		{2, 2, true, ", 2 attempts: a packet was lost"},
		{2, 4, true, ", 4 attempts: a packet was lost"},
	} {
		w := &engine.Winner{Candidate: engine.Candidate{Addr: addr("192.0.2.5:22"), Transport: "tcp"}, Elapsed: 270 * ms, Tried: 1, Known: 1, Attempt: tt.attempt, Attempts: tt.attempts, Lost: tt.lost}
		if got, want := winnerLine(w), "fdrace: 192.0.2.5:22 over TCP in 270.0 ms, 1 of 1 tried"+tt.want; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestServerLog(t *testing.T) {
	banner := &engine.Dialer{Banner: "SSH-"}
	silent := fmt.Errorf("%w: %w", engine.ErrNoBanner, context.DeadlineExceeded)
	refused := fails(failed(1, "192.0.2.1:22", "tcp", unix.ECONNREFUSED))
	one := timesOut(failed(1, "192.0.2.1:22", "tcp", silent), failed(1, "192.0.2.2:22", "tcp", unix.ECONNREFUSED))
	two := fails(failed(1, "192.0.2.1:22", "tcp", &engine.Refusal{Said: "220 mail"}), failed(1, "192.0.2.2:22", "tcp", silent))
	plain := fails(failed(1, "192.0.2.1:22", "mptcp", errNoMPTCP))
	for _, tt := range []struct {
		name   string
		dialer *engine.Dialer
		lost   engine.Error
		want   string
	}{
		{"nobody is there", banner, refused, ""},
		{"nobody is there to be asked", &engine.Dialer{}, refused, ""},
		{"a silent server", banner, one, "the server may log one connection that did not log in"},
		{"two that are no SSH servers", banner, two, "the server may log 2 connections that did not log in"},
		{"no MPTCP", &engine.Dialer{Transports: mptcps}, plain, "the server may log one connection that did not log in"},
	} {
		if got := ServerLog(nil, &tt.lost, tt.dialer); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
