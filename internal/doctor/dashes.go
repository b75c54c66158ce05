//go:build unix

package doctor

import (
	"slices"
	"strings"
)

// checkDashes looks for a name that others choose, without a -- before it.
func (l *login) checkDashes() []Finding {
	words := l.words[l.program+1:]
	foreign := func(w word) bool {
		return strings.HasPrefix(w.text, "%h") || strings.HasPrefix(w.text, "%n")
	}
	if !slices.ContainsFunc(words, foreign) || slices.ContainsFunc(words, func(w word) bool { return w.text == "--" }) {
		return nil
	}
	f := Finding{Check: "--", Status: Warn, Found: "missing: a host name that begins with - would be read as flags"}
	first := len(words) - len(l.options.Words)
	if !slices.Equal(l.arguments()[first:], l.options.Words) {
		f.Remedy, f.Where = `write the flags first, then --, then the targets`, ByHand
		return []Finding{f}
	}
	at := words[first].start
	return []Finding{l.fixCommand(f, l.command[:at]+"-- "+l.command[at:])}
}
