//go:build unix

package doctor

import (
	"fmt"
	"slices"
	"strings"

	"fdrace/internal/engine"
)

// checkPort looks for a Port in ssh_config that does not reach fdrace, because the
// ProxyCommand lacks %p.
func (l *login) checkPort(targets []engine.Target) []Finding {
	port := l.config["port"]
	isPort := func(word string) bool { return strings.Trim(word, "0123456789") == "" }
	defaulted := func(t engine.Target) bool { return t.Port == sshPort }
	switch {
	case port == "" || port == fmt.Sprint(sshPort) || l.options.Port != nil || strings.Contains(l.command, "%p"):
		return nil
	case slices.ContainsFunc(l.options.Words, isPort) || !slices.ContainsFunc(targets, defaulted):
		return nil
	}
	l.noPort = true
	f := Finding{Check: "Port", Status: Warn, Found: fmt.Sprintf("ssh_config says port %s, but fdrace tries %d: add %%p", port, sshPort)}
	at := l.words[len(l.words)-1].end
	return []Finding{l.fixCommand(f, l.command[:at]+" %p"+l.command[at:])}
}
