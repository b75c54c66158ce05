//go:build unix

package helper

import (
	"fmt"
	"time"

	"fdrace/internal/engine"
)

// A FamilyWatch finds out whether one family of addresses is tried first and does not
// answer, so that every login waits for it. The zero value is ready to use.
type FamilyWatch struct {
	started map[engine.Family]time.Duration // its first attempt
	pending map[engine.Family]int           // attempts that have neither connected nor failed
}

// Note records an event of the race.
func (w *FamilyWatch) Note(e engine.Event) {
	if !e.Addr.AddrPort.IsValid() || e.Addr.Proxy != nil || e.Interface != "" {
		return
	}
	family := engine.IPv6
	if e.Addr.Addr().Is4() {
		family = engine.IPv4
	}
	if w.started == nil {
		w.started, w.pending = map[engine.Family]time.Duration{}, map[engine.Family]int{}
	}
	switch e.Kind {
	case engine.Start:
		if _, there := w.started[family]; !there {
			w.started[family] = e.At
		}
		w.pending[family]++
	case engine.Connected, engine.Failed:
		w.pending[family]--
	}
}

// attach makes w record the events of d.
func (w *FamilyWatch) attach(d *engine.Dialer) {
	report := d.Report
	d.Report = func(e engine.Event) {
		w.Note(e)
		if report != nil {
			report(e)
		}
	}
}

// Silent describes the family that has cost winner about one delay or more, "" if none
// has.
func (w *FamilyWatch) Silent(winner *engine.Winner, delay time.Duration) string {
	if !winner.Addr.AddrPort.IsValid() || winner.Addr.Proxy != nil {
		return ""
	}
	won, other := engine.IPv6, engine.IPv4
	if winner.Addr.Addr().Is4() {
		won, other = other, won
	}
	first, tried := w.started[other]
	wait := w.started[won] - first
	// Events are reported a moment later than the time from which the schedule counts.
	if !tried || w.pending[other] <= 0 || wait < delay-delay/10 {
		return ""
	}
	return fmt.Sprintf("%s does not answer: each login takes %d ms longer", other, wait.Round(time.Millisecond).Milliseconds())
}
