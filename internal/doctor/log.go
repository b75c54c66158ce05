//go:build unix

package doctor

import (
	"os"
	"strings"
)

// checkLog looks whether anybody will see what fdrace has to say: ssh sends its
// stderr to /dev/null where ControlPath and ControlPersist are set.
func (l *login) checkLog() []Finding {
	c := l.config
	if c.unset("controlpath") || c.is("controlpersist", "no") {
		return nil
	}
	heard := l.options.Log != "" || os.Getenv("FDRACE_LOG") != "" || strings.Contains(l.command, "2>")
	for _, w := range l.words[:l.program] {
		heard = heard || strings.HasPrefix(w.text, "FDRACE_LOG=")
	}
	if heard {
		return []Finding{{Check: "ControlPersist", Status: OK, Found: "ssh discards what fdrace prints, but a file has it too"}}
	}
	at := l.words[l.program].end
	f := Finding{Check: "ControlPersist", Status: Warn, Found: "ssh discards what fdrace prints: a failed login does not say why"}
	return []Finding{l.fixCommand(f, l.command[:at]+" --log ~/.ssh/fdrace.log"+l.command[at:])}
}
