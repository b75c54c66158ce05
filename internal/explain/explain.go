//go:build unix

// Package explain is fdrace --explain: it runs a race to the end, passes nothing to ssh, and
// shows what became of each candidate, as a picture or as JSON.
package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"fdrace/internal/doctor"
	"fdrace/internal/engine"
	"fdrace/internal/helper"
	"fdrace/internal/term"
	"fdrace/mptcp"
)

// Run runs the race of o to the end, and shows on stdout what a race for ssh would have done,
// and what became of the other candidates. It returns helper.Exit(1) if nobody has won.
func Run(o *helper.Options) error {
	targets, d, err := o.Race()
	if err != nil {
		return err
	}
	d.RunAll = true
	t := newReport(targets)
	note := t.note
	if o.JSON {
		note = t.json(os.Stdout)
		d.OnProgress = nil // the status line would mix with the output
	}
	before := d.Report
	d.Report = func(e engine.Event) {
		if before != nil {
			before(e)
		}
		note(e)
	}
	for i := range d.Transports {
		t.ask(&d.Transports[i])
	}
	began := time.Now()
	w, err := d.Dial(context.Background(), targets...)
	helper.EraseStatus()

	var lost *engine.Error
	if err != nil && !errors.As(err, &lost) {
		return err
	}
	ended := time.Now()
	if w != nil { // after the win no server sees a connection
		ended = began.Add(w.Elapsed)
	}
	defer helper.AwaitPardon(o.ServerLog(w, lost, d), ended)
	if !o.JSON {
		t.tell(w, lost, d)
		if lost != nil {
			t.hint = cmp.Or(hintAlias(targets), t.hint)
		}
		t.hint, t.log = t.hint+o.Unchecked(w), o.ServerLog(w, lost, d)
		if _, err := os.Stdout.WriteString(t.draw(canvas{term.Of(int(os.Stdout.Fd()))})); err != nil {
			return err
		}
	}
	if t.failed != nil {
		return t.failed
	}
	if lost != nil {
		return helper.Exit(1)
	}
	return nil
}

// hintAlias returns a hint if the only target is an alias in ssh_config, which --explain does
// not read.
func hintAlias(targets []engine.Target) string {
	if len(targets) != 1 || strings.HasPrefix(targets[0].Host, "-") {
		return ""
	}
	alias := targets[0].Host
	if _, err := netip.ParseAddr(alias); err == nil {
		return "" // ssh -G prints it in another form: fe80::1%1 with the name of the interface
	}
	host, port, ok := doctor.LookUpAlias(alias)
	if !ok {
		return ""
	}
	return term.Sanitize(fmt.Sprintf("%s is an alias in ssh_config, and --explain takes targets; run: fdrace --explain %s %s", alias, host, port))
}

// A report collects the events of a race: an entry for each lookup and each candidate, by
// target.
type report struct {
	asked   []engine.Target // targets of the command line
	targets []engine.Target // all targets, in the order in which they came up
	entries []*entry
	won     time.Duration  // when the race was won; -1 before that
	end     time.Duration  // the time of the last event
	verdict string         // the first line
	hint    string         // below the picture, if any
	log     string         // the last line: what the server logs
	failed  error          // of writing JSON
	checked *checked       // result of Check for the connection whose Connected event comes next
	byFD    map[int]*entry // connections that were checked
}

// checked says whether a connection speaks MPTCP.
type checked struct {
	fd       int
	fellBack bool
	unsure   error // why this is not known
}

// An entry is one lookup or one candidate. Times are since the start of the race, -1 if
// there is none.
type entry struct {
	target    engine.Target
	addr      engine.Addr // of a candidate
	family    engine.Family
	via, by   string        // the interface that it is bound to; the transport
	known     time.Duration // when the address became known
	began     time.Duration
	attempts  int
	connected time.Duration
	ended     time.Duration
	end       engine.EventKind
	answer    []netip.Addr // of a lookup
	err       error        // of its last event
	late      bool         // the race was won before it began
	fellBack  bool         // it was an MPTCP attempt, and fell back to TCP
	unsure    error        // why fellBack is not known
}

func newReport(targets []engine.Target) *report {
	t := &report{asked: targets, won: -1, byFD: map[int]*entry{}}
	for _, target := range targets {
		t.open(target)
	}
	return t
}

// open adds a target, unless it is there already.
func (t *report) open(target engine.Target) {
	if !slices.Contains(t.targets, target) {
		t.targets = append(t.targets, target)
	}
}

// isLookup reports whether r is a lookup, or a target that failed without an address.
func (r *entry) isLookup() bool { return !r.addr.IsValid() }

// note adds an event.
func (t *report) note(e engine.Event) {
	t.open(e.Target)
	t.end = max(t.end, e.At)
	r := t.find(e)
	switch e.Kind {
	case engine.Start:
		if r.attempts = e.Attempt; r.began < 0 {
			r.began, r.late = e.At, t.won >= 0
		}
	case engine.Resolved:
		r.ended, r.end, r.err = e.At, e.Kind, e.Err
		if e.Replaces {
			r.answer = nil
		}
		r.answer = append(r.answer, e.Addrs...)
	case engine.Connected:
		r.connected = e.At
		if c := t.checked; c != nil {
			t.byFD[c.fd], t.checked = r, nil
			r.fellBack, r.unsure = c.fellBack, c.unsure
		}
	case engine.Won:
		t.won = e.At
		fallthrough
	case engine.Failed, engine.Cancelled:
		if r.isLookup() && r.ended >= 0 {
			return // its answer was reported before
		}
		r.ended, r.end, r.err = e.At, e.Kind, e.Err
	}
}

// find returns the entry of e, which may be a new one.
func (t *report) find(e engine.Event) *entry {
	for _, r := range t.entries {
		same := r.addr == e.Addr && r.via == e.Interface && r.by == e.Transport
		if e.Addr.IsValid() && same || !e.Addr.IsValid() && r.isLookup() && r.target == e.Target && (r.family == e.Family || e.Family == engine.AnyFamily) {
			return r
		}
	}
	r := &entry{target: e.Target, addr: e.Addr, family: e.Family, via: e.Interface, by: e.Transport, began: -1, connected: -1, ended: -1}
	if e.Kind == engine.Resolve {
		r.began = e.At
	}
	for _, lookup := range t.entries {
		if lookup.target == r.target && !r.isLookup() && slices.Contains(lookup.answer, r.addr.Addr()) {
			r.known = lookup.ended
		}
	}
	t.entries = append(t.entries, r)
	return r
}

// ask makes tr record whether its connections speak MPTCP.
func (t *report) ask(tr *engine.Transport) {
	if tr.Name != "mptcp" {
		return
	}
	check := tr.Check
	tr.Check = func(fd int) error {
		yes, err := mptcp.InUseFD(fd)
		c := checked{fd, err == nil && !yes, err}
		if r := t.byFD[fd]; r != nil && r.ended < 0 { // checked again, after its banner
			r.fellBack, r.unsure = c.fellBack, c.unsure
		} else {
			t.checked = &c
		}
		if check != nil {
			return check(fd)
		}
		return nil
	}
}

// tell sets the verdict, and the hint if nobody has won. Either w or lost is nil.
func (t *report) tell(w *engine.Winner, lost *engine.Error, d *engine.Dialer) {
	if w == nil {
		l := helper.DescribeLoss(lost, t.asked, d)
		t.verdict, t.hint = l.What, l.Hint
		return
	}
	var speaks *entry
	for _, r := range t.entries {
		if r.end == engine.Won {
			speaks = r
		}
	}
	by := helper.Protocol(w, func(int) (bool, error) { return !speaks.fellBack, speaks.unsure })
	if w.Interface != "" {
		by += " from " + w.Interface
	}
	t.verdict = fmt.Sprintf("ssh would get %s%s, after %s; %d of %d addresses tried", term.Sanitize(w.Addr.String()), by, helper.FormatMS(w.Elapsed), w.Tried, w.Known)
}

// what says what became of r, with the number of attempts if there were several.
func (r *entry) what() string {
	if r.attempts > 1 {
		return fmt.Sprintf("%s, %d attempts", r.outcome(), r.attempts)
	}
	return r.outcome()
}

// outcome says what became of r.
func (r *entry) outcome() string {
	switch {
	case r.ended < 0:
		return "" // does not happen: all entries end
	case r.isLookup() && r.end == engine.Resolved && r.err == nil && len(r.answer) == 0:
		return "answered"
	case r.isLookup() && r.end == engine.Resolved && r.err == nil:
		return plural(len(r.answer), "address", "addresses")
	case r.isLookup() && r.end == engine.Cancelled:
		return "no answer"
	case r.end == engine.Won && r.fellBack:
		return "won, fell back to TCP"
	case r.end == engine.Won:
		return "won"
	case r.end == engine.Cancelled && r.err == nil && r.late:
		return "connects, not needed"
	case r.end == engine.Cancelled && r.err == nil:
		return "connects, too late"
	case errors.Is(r.err, engine.ErrNotAsked):
		return "connects, not asked"
	case r.end == engine.Cancelled && r.connected >= 0:
		return "connects, no banner"
	case errors.Is(r.err, engine.ErrSeen):
		return "given up"
	case errors.Is(r.err, engine.ErrNotTried):
		return "not tried"
	}
	return helper.Reason(r.err, r.addr)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// protocol returns the family of a lookup, or the transport of a candidate.
func (r *entry) protocol() string {
	switch {
	case r.isLookup() && r.family == engine.AnyFamily:
		return "lookup"
	case r.isLookup():
		return r.family.String()
	}
	return strings.ToUpper(r.by)
}
