//go:build unix

package doctor

import "slices"

// checkQuotes looks for a bracket that a shell takes for a pattern.
func (l *login) checkQuotes() []Finding {
	quoted := l.command
	for _, w := range slices.Backward(l.words) {
		if l.command[w.start] == '[' {
			quoted = quoted[:w.start] + "'" + w.text + "'" + quoted[w.end:]
		}
	}
	if quoted == l.command {
		return nil
	}
	f := Finding{Check: "[]", Status: Warn, Found: "not quoted: the shell reads them as a file name pattern, and zsh fails"}
	return []Finding{l.fixCommand(f, quoted)}
}
