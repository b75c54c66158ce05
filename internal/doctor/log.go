//go:build unix

package doctor

import (
	"cmp"
	"os"
	"strings"
)

// checkLog checks that somebody can see what fdrace prints: if ControlPath and
// ControlPersist are set, ssh sends its stderr to /dev/null.
func (l *login) checkLog() []Finding {
	c := l.config
	if c.unset("controlpath") || c.is("controlpersist", "no") {
		return nil
	}
	file := cmp.Or(l.options.Log, os.Getenv("FDRACE_LOG"))
	for _, w := range l.words[:l.program] {
		if value, sets := strings.CutPrefix(w.text, "FDRACE_LOG="); sets && l.options.Log == "" {
			file = value
		}
	}
	if file == "" && strings.Contains(l.command, "2>") {
		file = "the file after 2>"
	}
	if file != "" {
		return []Finding{{Check: "ControlPersist", Status: OK, Found: "ssh discards what fdrace prints, but it is also in " + file}}
	}
	at := l.words[l.program].end
	f := Finding{Check: "ControlPersist", Status: Warn, Found: "ssh discards what fdrace prints: a failed login does not say why"}
	return []Finding{l.fixCommand(f, l.command[:at]+" --log ~/.ssh/fdrace.log"+l.command[at:])}
}
