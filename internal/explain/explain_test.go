//go:build unix

package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/golden"
	"fdrace/internal/helper"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// An events is a race written down: what happened, in order.
type events []engine.Event

func (l *events) add(at time.Duration, k engine.EventKind, e engine.Event) {
	e.At, e.Kind = at, k
	*l = append(*l, e)
}

func (l *events) lookup(target engine.Target, family engine.Family, from, to time.Duration, addrs string, err error) {
	e := engine.Event{Candidate: engine.Candidate{Target: target}, Family: family}
	l.add(from, engine.Resolve, e)
	e.Err = err
	for a := range strings.FieldsSeq(addrs) {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
	}
	l.add(to, engine.Resolved, e)
}

func attempt(target engine.Target, addr, transport string) engine.Event {
	return engine.Event{Candidate: engine.Candidate{Target: target, Addr: engine.Addr{AddrPort: netip.MustParseAddrPort(addr)}, Transport: transport}}
}

func failedBy(e engine.Event, err error) engine.Event { e.Err = err; return e }

var (
	box     = engine.Target{Host: "box.lan", Port: 22}
	vpn     = engine.Target{Host: "vpn-box.example.org", Port: 22}
	literal = engine.Target{Host: "192.0.2.9", Port: 2222}
	late    = context.DeadlineExceeded
)

// silentV6 is a race with most of what one may have: a name whose IPv6 address
// is silent and whose MPTCP is dropped, one that leads to the same, one that
// leads nowhere, a literal, and what comes after the win.
func silentV6() events {
	var l events
	l.lookup(box, engine.IPv6, 0, 2*ms, "2001:db8::5", nil)
	l.lookup(box, engine.IPv4, 0, 2*ms, "192.0.2.5", nil)
	l.lookup(vpn, engine.IPv6, 0, 9*ms, "", &net.DNSError{Err: "name server 192.0.2.53 answers nothing at port 53 (connection refused)"})
	v6, v4 := attempt(box, "[2001:db8::5]:22", "mptcp"), attempt(box, "192.0.2.5:22", "mptcp")
	tcp6, tcp4 := attempt(box, "[2001:db8::5]:22", "tcp"), attempt(box, "192.0.2.5:22", "tcp")
	lte := attempt(box, "192.0.2.5:22", "tcp")
	lte.Interface = "lte0"
	refused := attempt(literal, "192.0.2.9:2222", "tcp")
	l.add(0, engine.Start, refused)
	l.add(2*ms, engine.Start, v6)
	l.add(20*ms, engine.Failed, failedBy(refused, unix.ECONNREFUSED))
	l.lookup(vpn, engine.IPv4, 0, 30*ms, "192.0.2.5", nil)
	l.add(252*ms, engine.Start, tcp6)
	l.add(252*ms, engine.Start, v4)
	l.add(272*ms, engine.Connected, v4)
	l.add(272*ms, engine.Won, v4)
	l.add(502*ms, engine.Start, tcp4)
	l.add(522*ms, engine.Connected, tcp4)
	l.add(522*ms, engine.Cancelled, tcp4)
	l.add(752*ms, engine.Start, lte)
	l.add(900*ms, engine.Failed, failedBy(lte, unix.EHOSTUNREACH))
	l.add(10000*ms, engine.Cancelled, failedBy(v6, late))
	l.add(10000*ms, engine.Cancelled, failedBy(tcp6, late))
	return l
}

// nobody is a race that is lost, in more ways than one.
func nobody() events {
	var l events
	l.lookup(box, engine.IPv6, 0, 2*ms, "2001:db8::5 2001:db8::6", nil)
	l.add(0, engine.Resolve, engine.Event{Candidate: engine.Candidate{Target: box}, Family: engine.IPv4})
	first := attempt(box, "[2001:db8::5]:22", "tcp")
	l.add(2*ms, engine.Start, first)
	l.add(2*ms, engine.Failed, failedBy(engine.Event{Candidate: engine.Candidate{Target: literal, Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("192.0.2.9:2222")}}}, errors.New("not an IPv6 address")))
	l.add(30*ms, engine.Connected, first)
	l.add(200*ms, engine.Cancelled, failedBy(first, errors.Join(engine.ErrNoBanner, late)))
	l.add(200*ms, engine.Failed, failedBy(engine.Event{Candidate: engine.Candidate{Target: box, Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("[2001:db8::6]:22")}}}, engine.ErrNotTried))
	l.add(200*ms, engine.Cancelled, engine.Event{Candidate: engine.Candidate{Target: box}, Family: engine.IPv4, Err: late})
	return l
}

func told(l events, verdict, hint string, targets ...engine.Target) *report {
	t := newReport(targets)
	for _, e := range l {
		t.note(e)
	}
	t.verdict, t.hint = verdict, hint
	return t
}

// A provisional answer that is replaced does not count twice.
func TestReplacedAnswer(t *testing.T) {
	var l events
	l.lookup(box, engine.IPv4, 0, 100*ms, "192.0.2.5 192.0.2.6", nil)
	l.add(200*ms, engine.Resolved, engine.Event{Candidate: engine.Candidate{Target: box}, Family: engine.IPv4, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.5")}, Replaces: true})
	report := told(l, "", "", box)
	if r := report.entries[0]; len(report.entries) != 1 || r.outcome() != "1 address" {
		t.Errorf("%d rows: %s", len(report.entries), r.outcome())
	}
	if o := report.object(l[len(l)-1]); !o.Replaces || len(o.Addrs) != 1 {
		t.Errorf("%+v", o)
	}
}

func TestDraw(t *testing.T) {
	won := told(silentV6(), "ssh would get 192.0.2.5:22 over MPTCP, after 272.0 ms; 3 of 3 addresses tried", "", box, vpn, literal)
	lost := told(nobody(), "no connection to any of 2 targets: timed out after 200ms", "look there", box, literal)
	for name, p := range map[string]term.Screen{
		"80":       {Width: 80},
		"120":      {Width: 120},
		"200":      {Width: 200},
		"50-ascii": {Width: 50, ASCII: true},
		"90-color": {Width: 90, Color: true},
	} {
		golden.Compare(t, name, won.draw(canvas{p})+"\n"+lost.draw(canvas{p}))
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	for _, l := range []events{silentV6(), nobody()} {
		note := newReport([]engine.Target{box, vpn, literal}).json(&b)
		for _, e := range l {
			note(e)
		}
	}
	golden.Compare(t, "json", b.String())
	for line := range strings.Lines(b.String()) {
		var o object
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		switch o.Event {
		case "resolve", "start", "connected", "failed", "won", "cancelled":
		default:
			t.Errorf("%s: no such event", line)
		}
	}
}

// Whatever a name is, and however wide the terminal, a table has no more columns
// than that, and nothing that a terminal would obey.
func FuzzDraw(f *testing.F) {
	f.Add("box", uint8(80), true)
	f.Add("a\x1b[2J\u009b\xff\u202e", uint8(200), false)
	f.Fuzz(func(t *testing.T, name string, width uint8, ascii bool) {
		target := engine.Target{Host: name, Port: 22}
		var l events
		l.lookup(target, engine.IPv6, 0, 2*ms, "2001:db8::5", errors.New(name))
		long := attempt(target, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", "mptcp")
		l.add(2*ms, engine.Start, long)
		l.add(20*ms, engine.Won, long)
		p := canvas{term.Screen{Width: 80 + int(width), ASCII: ascii}}
		for line := range strings.Lines(told(l, "", "", target).draw(p)) {
			line = strings.TrimSuffix(line, "\n")
			if n := columns(line); n >= p.Width && !strings.HasPrefix(line, "  "+p.dots()) { // a full reason may wrap
				t.Errorf("%d columns of %d: %q", n, p.Width, line)
			}
			if line != term.Printable(line) {
				t.Errorf("not for a terminal: %q", line)
			}
		}
	})
}

// What the README shows is what is drawn.
func TestReadme(t *testing.T) {
	box := engine.Target{Host: "box.example.org", Port: 22}
	other := engine.Target{Host: "192.0.2.9", Port: 22}
	v6, v4, refused := attempt(box, "[2001:db8::5]:22", "tcp"), attempt(box, "192.0.2.5:22", "tcp"), attempt(other, "192.0.2.9:22", "tcp")
	var l events
	l.lookup(box, engine.IPv6, 0, 2100*us, "2001:db8::5", nil)
	l.lookup(box, engine.IPv4, 0, 2200*us, "192.0.2.5", nil)
	l.add(200*us, engine.Start, refused)
	l.add(2200*us, engine.Start, v6)
	l.add(20600*us, engine.Failed, failedBy(refused, unix.ECONNREFUSED))
	l.add(252400*us, engine.Start, v4)
	l.add(274300*us, engine.Connected, v4)
	l.add(274300*us, engine.Won, v4)
	l.add(10000300*us, engine.Cancelled, failedBy(v6, late))
	picture := told(l, "ssh would get 192.0.2.5:22 over TCP, after 274.3 ms; 3 of 3 addresses tried", "", box, other)
	picture.log = helper.ServerLog(&engine.Winner{Candidate: engine.Candidate{Transport: "tcp"}}, nil, &engine.Dialer{})
	drawn := picture.draw(canvas{term.Screen{Width: 80}})
	want := "    $ fdrace --explain box.example.org 192.0.2.9\n"
	for line := range strings.Lines(drawn) {
		if strings.TrimSpace(line) != "" {
			line = "    " + line
		}
		want += line
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not have what is drawn:\n%s", want)
	}
}

// Where there is room, a reason is not cut.
func TestLongReason(t *testing.T) {
	box := engine.Target{Host: "both.lan", Port: 22}
	var l events
	v4 := attempt(box, "192.0.2.5:22", "tcp")
	l.lookup(box, engine.IPv6, 0, 2100*us, "", errors.New("it has no IPv6 address in /etc/hosts"))
	l.lookup(box, engine.IPv4, 0, 2200*us, "192.0.2.5", nil)
	l.add(2200*us, engine.Start, v4)
	l.add(9000*us, engine.Connected, v4)
	l.add(9000*us, engine.Won, v4)
	drawn := told(l, "x", "", box).draw(canvas{term.Screen{Width: 120}})
	if strings.Contains(drawn, "…") || !strings.Contains(drawn, "IPv6  it has no IPv6 address in /etc/hosts 2.1  ") {
		t.Error(drawn)
	}
}
