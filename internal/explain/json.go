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

// An object is a line of --explain --json: one event, in the order in which they
// come. Its fields and their values stay as they are; others may be added.
type object struct {
	T         float64 `json:"t_ms"`  // since the race began, in ms, to the microsecond
	Event     string  `json:"event"` // resolve, start, connected, failed, won, cancelled
	Target    string  `json:"target"`
	Addr      string  `json:"addr,omitempty"`      // not of a lookup, nor of a name that has failed
	Interface string  `json:"interface,omitempty"` // that it is bound to
	Protocol  string  `json:"protocol,omitempty"`  // tcp, mptcp, unix, vsock, vsock-mux, socks5, socks4a, http, command; that of won is what it really speaks
	Attempt   int     `json:"attempt,omitempty"`   // start: which one it is, if not the first; else how many there were, if several
	Error     string  `json:"error,omitempty"`     // why it failed, or was cancelled though nobody had won

	Family   string   `json:"family,omitempty"`   // ipv4, ipv6: of a lookup
	Addrs    []string `json:"addrs,omitempty"`    // of a resolve that is an answer
	Replaces bool     `json:"replaces,omitempty"` // an answer in place of the one before
	Late     bool     `json:"late,omitempty"`     // what would not have been tried: the race was won
}

// json returns a note that also writes each event to w.
func (t *report) json(w io.Writer) func(engine.Event) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return func(e engine.Event) {
		t.note(e)
		if err := out.Encode(t.object(e)); t.failed == nil {
			t.failed = err // a reader that goes ends this by SIGPIPE
		}
	}
}

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
