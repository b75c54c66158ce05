//go:build unix

package explain

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
)

// An object is a line of --explain --json: one event. The names and the values of the
// fields must not change; fields may be added.
type object struct {
	T         float64 `json:"t_ms"`  // ms since the race began, with three decimals at most
	Event     string  `json:"event"` // resolve, start, connected, failed, won, cancelled
	Target    string  `json:"target"`
	Addr      string  `json:"addr,omitempty"`      // empty for a lookup, and for a name that has failed
	Interface string  `json:"interface,omitempty"` // the interface that it is bound to
	Protocol  string  `json:"protocol,omitempty"`  // tcp, mptcp, unix, vsock, vsock-mux, socks5, socks4a, http, command; for won, what the connection really speaks
	Attempt   int     `json:"attempt,omitempty"`   // start: its number, if not 1; else the number of attempts, if not 1
	Error     string  `json:"error,omitempty"`     // why it failed, or was cancelled for another reason than the win

	Family   string   `json:"family,omitempty"`   // of a lookup: ipv4 or ipv6
	Addrs    []string `json:"addrs,omitempty"`    // the answer to a lookup
	Replaces bool     `json:"replaces,omitempty"` // this answer replaces the previous one
	Late     bool     `json:"late,omitempty"`     // it started after the win: a race for ssh would not have tried it
}

// json returns a note that also writes each event to w.
func (t *report) json(w io.Writer) func(engine.Event) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return func(e engine.Event) {
		t.note(e)
		if err := out.Encode(t.object(e)); t.failed == nil {
			t.failed = err // if the reader has gone, SIGPIPE ends the process instead
		}
	}
}

// object returns e as a line of JSON.
func (t *report) object(e engine.Event) object {
	r := t.find(e)
	o := object{
		T:         math.Round(float64(e.At)/float64(time.Microsecond)) / 1000,
		Event:     e.Kind.String(),
		Target:    e.Target.String(),
		Interface: e.Interface,
		Protocol:  e.Transport,
		Family:    [...]string{"", "ipv4", "ipv6"}[e.Family],
		Late:      r.late,
	}
	o.Replaces = e.Replaces
	if e.Attempt > 1 {
		o.Attempt = e.Attempt
	}
	if e.Kind == engine.Resolved {
		o.Event = engine.Resolve.String()
	}
	if e.Kind == engine.Won && r.fellBack {
		o.Protocol = "tcp"
	}
	if e.Addr.IsValid() {
		o.Addr = e.Addr.String()
	}
	for _, a := range e.Addrs {
		o.Addrs = append(o.Addrs, a.String())
	}
	if e.Err != nil {
		o.Error = helper.Reason(e.Err, e.Addr)
	}
	return o
}
