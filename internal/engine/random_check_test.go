package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// This file has what is true of every race.

// checkRunAll compares the race with the same race with RunAll: they are the same until the
// win, and with RunAll everything has an end.
func (w *world) checkRunAll(t *testing.T, events []Event, winner *Winner, err error) {
	w.dialer.RunAll = true
	w.dialer.OnProgress = w.checkProgress(t)
	all, again, lost := w.check(t)
	if winner == nil {
		if fmt.Sprint(lost) != fmt.Sprint(err) || fmt.Sprint(all) != fmt.Sprint(events) {
			t.Errorf("without a winner: %v, and to the end: %v", err, lost)
		}
		return
	}
	want := *winner
	want.FD = -1
	if again == nil || fmt.Sprint(*again) != fmt.Sprint(want) {
		t.Errorf("the winner is %+v, and to the end %+v, %v", want, again, lost)
		return
	}
	untilWin := slices.IndexFunc(events, func(e Event) bool { return e.Kind == Won }) + 1
	if len(all) < untilWin || fmt.Sprint(all[:untilWin]) != fmt.Sprint(events[:untilWin]) {
		t.Errorf("until the win:\n%v, and to the end\n%v", events[:untilWin], all)
	}
	ended := map[string]bool{}
	for _, e := range all {
		if e.Kind != Resolve && e.Kind != Start {
			ended[fmt.Sprint(e.Target, e.Family)] = true
			ended[fmt.Sprint(e.Target)] = true
			ended[e.Addr.String()] = true
		}
	}
	for _, e := range all {
		if e.Kind == Resolve && e.Family != AnyFamily && !ended[fmt.Sprint(e.Target, e.Family)] || !ended[fmt.Sprint(e.Target)] {
			t.Errorf("nothing is said of %v", e)
		}
		for _, a := range e.Addrs {
			if !ended[addrOf(e, a)] {
				t.Errorf("nothing is said of %v", a)
			}
		}
	}
}

// checkProgress fails the test if OnProgress is called too early or too late, or reports what
// has ended.
func (w *world) checkProgress(t *testing.T) func(Progress) bool {
	next := tickAfter
	return func(p Progress) bool {
		if p.At != next || p.At != w.now || p.At+p.Left != max(p.At, w.dialer.Timeout) {
			t.Errorf("told at %v of a race at %v, with %v left; want %v", w.now, p.At, p.Left, next)
		}
		next += tickEvery
		attempts := 0
		for _, e := range p.Trying {
			if e.Kind == Start {
				attempts++
				if !w.begun[socket{e.Addr, e.Transport, e.Interface}] {
					t.Errorf("%v is not under way", e)
				}
			}
			if e.At > p.At {
				t.Errorf("at %v something is under way that begins at %v", p.At, e.At)
			}
		}
		if attempts != len(w.begun) {
			t.Errorf("%d attempts are under way, and it tells of %d", len(w.begun), attempts)
		}
		return true
	}
}

type socket struct {
	addr      Addr
	transport string
	via       string
}

// checkEvents fails the test if a SYN is sent twice, after the deadline or too early, or if an
// attempt does not have exactly one end.
func (w *world) checkEvents(t *testing.T, events []Event, winner *Winner) {
	started := map[socket]time.Duration{}
	ends, tries := map[socket]int{}, map[socket]int{}
	won, last := 0, time.Duration(0)
	for _, e := range events {
		if e.At < last {
			t.Errorf("%v at %v comes after %v", e.Kind, e.At, last)
		}
		last = e.At
		if e.Transport == "" {
			continue // of a lookup, or of what was not tried
		}
		s := socket{e.Addr, e.Transport, e.Interface}
		switch e.Kind {
		case Start:
			if e.Attempt != tries[s]+1 {
				t.Errorf("SYN %d to %v after %d", e.Attempt, s, tries[s])
			}
			tries[s]++
			if e.At >= w.dialer.Timeout && e.Addr.Command == nil {
				t.Errorf("a SYN to %v at %v, the deadline", s, e.At)
			}
			started[s] = e.At
		case Won:
			won++
			ends[s]++
		case Failed, Cancelled:
			ends[s]++
		}
	}
	for s := range started {
		if ends[s] != 1 {
			t.Errorf("%v ended %d times", s, ends[s])
		}
	}
	if len(ends) != len(started) {
		t.Errorf("%d attempts ended, %d started", len(ends), len(started))
	}
	if (winner != nil) != (won == 1) {
		t.Errorf("%d winners reported, returned %v", won, winner)
	}
	w.checkPace(t, events)
}

// checkPace fails the test if an attempt by the first transport starts without a reason: unless
// something has failed, a lane starts one address each delay, except for those of links.
func (w *world) checkPace(t *testing.T, events []Event) {
	if w.limit > 0 {
		return // who waited for a descriptor starts when there is one
	}
	type lane struct {
		target Target
		proxy  *Proxy
	}
	lastStart := map[lane]time.Duration{}
	freed := time.Duration(-1)
	var lastCommand *Event
	for _, e := range events {
		switch {
		case e.Addr.Command != nil && e.Kind == Start:
			if lastCommand != nil && e.At < lastCommand.At+w.dialer.Fallback {
				t.Errorf("%v started at %v, and %v at %v", e.Addr, e.At, lastCommand.Addr, lastCommand.At)
			}
			lastCommand = &e
		case e.Addr.Command != nil && e.Kind == Failed:
			lastCommand = nil
			clear(lastStart)
		case e.Kind == Failed:
			clear(lastStart) // a failure lets the next of any lane that shares it go
			freed = e.At
		case e.Interface != "":
			// it follows the attempt by the kernel's own route
		case e.Addr.Addr().Zone() != "" || strings.Contains(e.Target.Host, "00:00:00"):
			// all links start at once
		case e.Attempt > 1:
			// a retry has times of its own
		case e.Kind == Start && e.Transport != "tcp" || e.Kind == Start && w.dialer.Transports == nil:
			held := DefaultDelay // which the next two had to wait for
			if w.dialer.Banner != "" || w.dialer.HostKey != nil {
				held += maxTurn * DefaultDelay // and for a server that was silent, or was checked
			}
			gaps := w.dialer.Transports != nil && freed >= 0 && e.At < freed+held
			l := lane{e.Target, e.Addr.Proxy}
			if before, ok := lastStart[l]; ok && e.At-before < DefaultDelay && !gaps {
				t.Errorf("%v started %v after the one before", e.Addr, e.At-before)
			}
			lastStart[l] = e.At
		}
	}
}

// checkFailures fails the test if something that was looked up or started has no Failure, or
// more than one.
func (w *world) checkFailures(t *testing.T, events []Event, lost *Error) {
	seen := map[string]int{}
	for _, f := range lost.Failures {
		seen[fmt.Sprint(f.Target.Host, f.Addr, f.Family, f.Transport, f.Interface)]++
		if f.Err == nil {
			t.Errorf("%v has no reason", f)
		}
	}
	for what, n := range seen {
		if n > 1 {
			t.Errorf("%s failed %d times", what, n)
		}
	}
	accounted := map[string]bool{}
	for _, f := range lost.Failures {
		accounted[f.Target.Host] = true
		accounted[f.Addr.String()] = true
	}
	for _, e := range events {
		switch {
		case e.Kind == Start && !accounted[e.Addr.String()]:
			t.Errorf("nothing is said of %v", e.Addr)
		case e.Kind == Resolved:
			for _, a := range e.Addrs {
				if addr := addrOf(e, a); !accounted[addr] {
					t.Errorf("nothing is said of %v", addr)
				}
			}
		case e.Kind == Resolve && lost.Cause == nil && !resolved(events, e) && !accounted[e.Target.Host]:
			t.Errorf("nothing is said of %v", e.Target)
		}
	}
}

// addrOf returns the address of the candidate for a, which is in e.Addrs.
func addrOf(e Event, a netip.Addr) string {
	addr := netip.AddrPortFrom(a, 22).String()
	if e.Target.Host == "proxy" {
		addr = "socks5://" + addr
	}
	return addr
}

func resolved(events []Event, asked Event) bool {
	for _, e := range events {
		if e.Kind == Resolved && e.Target == asked.Target && e.Family == asked.Family {
			return true
		}
	}
	return false
}
