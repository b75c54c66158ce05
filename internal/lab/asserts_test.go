//go:build linux

package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestVerdicts holds that a script fails where it should.
func TestVerdicts(t *testing.T) {
	noLeak(t)
	w, l := offline(t, 1)
	s := &scenario{wire: w}
	const at = 100 * time.Millisecond
	w.mark = w.now() - at // so that the SYN enters then
	w.feed(l, fromHex(t, captured[0].hex))
	s.result = &Result{FD: 7, Start: w.Marked(), ToFD: at + 20*time.Millisecond}
	s.result.Facts.Peer = netip.MustParseAddrPort("[::ffff:192.0.2.5]:22")
	type verdict struct {
		line string
		ok   bool
	}
	judge := func(verbs map[string]verb, verdicts []verdict) {
		t.Helper()
		for _, v := range verdicts {
			words := strings.Fields(v.line)
			if err := verbs[words[0]](s, nil, words[1:]); (err == nil) != v.ok {
				t.Errorf("%s: %v", v.line, err)
			}
		}
	}
	verbs := map[string]verb{"syn": (*scenario).syn, "nosyn": (*scenario).nosyn, "rst": (*scenario).rst,
		"wins": (*scenario).wins, "fails": (*scenario).fails, "accepts": (*scenario).accepts, "ended": (*scenario).ended}
	judge(verbs, []verdict{
		{"syn", true},
		{"syn at 0ms", true}, // it is the first sign of life
		{"syn at 20ms", false},
		{"syn at soon", false},
		{"syn 192.0.2.5 mptcp at 0s", true},
		{"syn plain", false},
		{"syn v6", false},
		{"syn nonsense", false},
		{"nosyn v6", true},
		{"nosyn v4", false},
		{"nosyn nonsense", false},
		{"rst", false},
		{"wins 192.0.2.5", true},
		{"wins 192.0.2.5 20ms", true},
		{"wins 192.0.2.5 40ms", false},
		{"wins 192.0.2.5 0ms", false},
		{"wins 192.0.2.6", false},
		{"wins", false},
		{"fails", false},
		{"accepts 192.0.2.5:22 1", false}, // nobody listens
		{"ended 192.0.2.5:22 badly 1", false},
	})
	s.delay = 30 * time.Millisecond
	judge(verbs, []verdict{{"wins 192.0.2.5 40ms", true}, {"wins 192.0.2.5 80ms", false}})
	s.result = &Result{FD: -1, Start: w.Marked(), ToExit: at + 40*time.Millisecond}
	judge(verbs, []verdict{{"fails 40ms", true}, {"fails 80ms", false}, {"wins 192.0.2.5", false}})
	s.result = nil
	judge(verbs, []verdict{{"fails", false}, {"wins 192.0.2.5", false}})
}
