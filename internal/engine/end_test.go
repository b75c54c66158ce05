package engine

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A race may be ended from outside in any state, and leaves nothing open.
func TestEndedEarly(t *testing.T) {
	silent := zone{"box AAAA": {after: 100 * ms, addrs: "fd99::1 fd99::2"}, "box A": {after: 500 * ms, addrs: "10.0.0.1"}}
	twoUp := hosts{"10.0.0.8": {rtt: 50 * ms}, "10.0.0.9": {rtt: 50 * ms}}
	for _, tt := range []struct {
		name, targets string
		at            time.Duration
		hosts         hosts
		cause         error
		want          string
	}{
		{"before anything", "box", 0, nil, context.Canceled, "0 race: context canceled"},
		{"while looking up", "box", 50 * ms, nil, ErrHangup, "50 race: the process that waits for the connection has exited"},
		{"while connecting", "box 10.0.0.9", 150 * ms, nil, ErrHangup,
			"0 syn 10.0.0.9; 100 syn fd99::1; 150 close 10.0.0.9; 150 close fd99::1; 150 race: the process that waits for the connection has exited"},
		{"in the tick in which two connect", "10.0.0.8 10.0.0.9", 50 * ms, twoUp, ErrHangup,
			"0 syn 10.0.0.8; 0 syn 10.0.0.9; 50 close 10.0.0.8; 50 close 10.0.0.9; 50 race: the process that waits for the connection has exited"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: silent, hosts: tt.hosts, end: tt.cause, ends: tt.at}
			got, _, _ := strings.Cut(f.race(t, Dialer{}, tt.targets), "\n  ")
			if want := strings.ReplaceAll(tt.want, "; ", "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Out of descriptors, an attempt waits for one instead of failing: for another
// attempt's, or a lookup's.
func TestNoDescriptorLeft(t *testing.T) {
	for _, tt := range []struct {
		name, targets string
		dialer        Dialer
		zone          zone
		hosts         hosts
		want          string
	}{
		{"an attempt's", "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4", Dialer{}, nil,
			hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}, "10.0.0.2": {rtt: 30 * ms, err: refused}, "10.0.0.4": {rtt: 5 * ms}},
			"0 syn 10.0.0.1; 0 syn 10.0.0.2; 20 close 10.0.0.1; 20 syn 10.0.0.3; " +
				"30 close 10.0.0.2; 30 syn 10.0.0.4; 35 close 10.0.0.3; 35 wins 10.0.0.4; 35 4 of 4 tried, by 10.0.0.4:22"},
		{"a lookup's", "10.0.0.5 box", Dialer{}, zone{"box A": {after: 30 * ms, err: nxdomain}, "box AAAA": {after: 40 * ms, err: nxdomain}},
			hosts{"10.0.0.5": {rtt: 20 * ms}},
			"30 syn 10.0.0.5; 50 wins 10.0.0.5; 50 1 of 1 tried, by 10.0.0.5:22"},
		{"a retry's", "fd99::1 fd99::2 fd99::3", Dialer{HeadStart: 300 * ms}, nil,
			hosts{"fd99::2": {rtt: 20 * ms}},
			"0 syn fd99::1; 250 syn fd99::1; 300 close fd99::1; 300 syn fd99::2; 320 close fd99::1; 320 wins fd99::2; 320 2 of 3 tried, by [fd99::2]:22"},
		{"those of one group, one after the other", "fe80::1", Dialer{},
			zone{"fe80::1 LINKS": {addrs: "fe80::1%a fe80::1%b fe80::1%c fe80::1%d fe80::1%e"}},
			hosts{"fe80::1%a": {rtt: 20 * ms, err: refused}, "fe80::1%b": {rtt: 20 * ms, err: refused}, "fe80::1%c": {rtt: 20 * ms, err: refused},
				"fe80::1%d": {rtt: 20 * ms, err: refused}, "fe80::1%e": {rtt: 10 * ms}},
			"0 syn fe80::1%a; 0 syn fe80::1%b; 20 close fe80::1%a; 20 close fe80::1%b; 20 syn fe80::1%c; 20 syn fe80::1%d; " +
				"40 close fe80::1%c; 40 close fe80::1%d; 40 syn fe80::1%e; 50 wins fe80::1%e; 50 5 of 5 tried, by [fe80::1]:22"},
		{"those of twins, one after the other", "10.0.0.1 10.0.0.2", Dialer{Transports: []Transport{{Name: "a"}, {}}, NoRetry: true}, nil,
			hosts{"10.0.0.1 a": {rtt: 300 * ms, err: refused}, "10.0.0.2 a": {rtt: 400 * ms, err: refused}, "10.0.0.1": {rtt: 500 * ms, err: refused}, "10.0.0.2": {rtt: 20 * ms}},
			"0 syn 10.0.0.1 a; 0 syn 10.0.0.2 a; 300 close 10.0.0.1 a; 300 syn 10.0.0.1; 400 close 10.0.0.2 a; 400 syn 10.0.0.2; " +
				"420 close 10.0.0.1; 420 wins 10.0.0.2; 420 2 of 2 tried, by 10.0.0.2:22; 420 before it a: connection refused"},
		{"none, to the end", "10.0.0.1 10.0.0.2 10.0.0.3", Dialer{}, nil, nil,
			"0 syn 10.0.0.1; 0 syn 10.0.0.2; 10000 close 10.0.0.1; 10000 close 10.0.0.2; 10000 race: context deadline exceeded; " +
				"  connect tcp 10.0.0.1:22: context deadline exceeded at 10000; " +
				"  connect tcp 10.0.0.2:22: context deadline exceeded at 10000; " +
				"  connect tcp 10.0.0.3:22: not tried: too many open files at 10000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{limit: 2, dns: tt.zone, hosts: tt.hosts}
			got := f.race(t, tt.dialer, tt.targets)
			if want := strings.ReplaceAll(tt.want, "; ", "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestErrorIs(t *testing.T) {
	f := &fake{open: map[int]*conn{}, given: map[int]*conn{}, syns: map[string]int{}, t: t, hosts: hosts{"10.0.0.1": {rtt: ms, err: refused}}}
	_, err := (&Dialer{Timeout: 20 * ms}).run(f, &Started{}, []Target{{"10.0.0.1", 22}, {"10.0.0.2", 22}})
	for _, target := range []error{syscall.ECONNREFUSED, context.DeadlineExceeded} {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		t.Errorf("%v is everything", err)
	}
}

// The events of a race tell its story in order.
func TestReport(t *testing.T) {
	var story []string
	d := Dialer{Report: func(e Event) {
		line := e.Kind.String()
		switch e.Kind {
		case Resolve:
			line += " " + e.Family.String()
		case Resolved:
			for _, a := range e.Addrs {
				line += " " + a.String()
			}
		default:
			line += " " + e.Addr.Addr().String()
		}
		if e.Err != nil {
			line += ": " + e.Err.Error()
		}
		story = append(story, line)
	}}
	f := &fake{dns: zone{"box AAAA": {addrs: "fd99::1 fd99::5"}, "box A": {addrs: "10.0.0.5"}},
		hosts: hosts{"fd99::1": {rtt: 20 * ms, err: refused}, "fd99::5": {rtt: 300 * ms}}}
	f.race(t, d, "box")
	want := "resolve IPv6; resolve IPv4; resolved fd99::1 fd99::5; resolved 10.0.0.5; start fd99::1; " +
		"failed fd99::1: connection refused; start 10.0.0.5; start fd99::5; start 10.0.0.5; " +
		"connected fd99::5; won fd99::5; cancelled 10.0.0.5"
	if got := strings.Join(story, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A report names every target that led to an address: also one that came to it
// when it had failed, and one whose turn it never was.
func TestEveryWay(t *testing.T) {
	f := &fake{
		dns: zone{"box AAAA": {err: nxdomain}, "box A": {after: 40 * ms, addrs: "10.0.0.1"},
			"alias AAAA": {err: nxdomain}, "alias A": {addrs: "10.0.0.9 10.0.0.1"}},
		hosts: hosts{"10.0.0.1": {rtt: 20 * ms, err: refused}},
		open:  map[int]*conn{}, given: map[int]*conn{}, syns: map[string]int{}, t: t,
	}
	_, err := (&Dialer{Timeout: 100 * ms}).run(f, &Started{}, []Target{{"10.0.0.1", 22}, {"box", 22}, {"alias", 22}})
	var lost *Error
	if !errors.As(err, &lost) || len(lost.Failures) != 2 {
		t.Fatal(err)
	}
	if got := lost.Failures[0].Also; !slices.Equal(got, []Target{{"box", 22}, {"alias", 22}}) {
		t.Errorf("10.0.0.1 was reached by %v, too", got)
	}
}
