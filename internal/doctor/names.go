//go:build unix

package doctor

import (
	"slices"
	"strings"
)

// checkNames looks for a block without --names-only that matches any host name that a URL
// may have.
func (l *login) checkNames(file string) []Finding {
	const foreign = "unix:/fdrace-doctor" // as in git clone 'ssh://[unix:/path]/repo'
	takesName := func(w word) bool {
		return strings.Contains(w.text, "%h") || strings.Contains(w.text, "%n")
	}
	if l.options.NamesOnly || !slices.ContainsFunc(l.words[l.program+1:], takesName) {
		return nil
	}
	c, _ := readConfig(foreign, file)
	if c == nil || c["proxycommand"] != l.config["proxycommand"] {
		return nil
	}
	return []Finding{{
		Check: "Host *", Status: Warn,
		Found:  "this block matches every name: with unix:/path in a URL, ssh would connect to a local socket",
		Remedy: "add --names-only: ProxyCommand fdrace --names-only -- %h %p", Where: ByHand,
	}}
}
