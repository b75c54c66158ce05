//go:build unix

package doctor

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// redact returns a ProxyCommand without the logins of its proxies.
func redact(command string) string {
	words, err := splitWords(command)
	if err != nil {
		words = []word{{start: 0, end: len(command)}}
	}
	for _, w := range slices.Backward(words) {
		text := command[w.start:w.end]
		scheme, at := strings.Index(text, "://"), strings.LastIndexByte(text, '@')
		if scheme >= 0 && at > scheme {
			command = command[:w.start] + text[:scheme] + "://..." + text[at:] + command[w.end:]
		}
	}
	return command
}

// checkBlind adds to f, that ssh -G has found another ProxyCommand or none, why ssh may
// still use fdrace.
func checkBlind(f Finding, c configFile) Finding {
	if f.Status != Fail || len(c.blind) == 0 {
		return f
	}
	f.Status = Warn
	f.Found += fmt.Sprintf("; but there is a Match %s, which ssh -G cannot evaluate", strings.Join(c.blind, " and "))
	f.Remedy, f.Where = "if the ProxyCommand is in that block, run: ssh -v, which says what it runs", ByHand
	return f
}

// checkCommand reports whether ssh will run fdrace, as far as the words of the
// ProxyCommand tell.
func (l *login) checkCommand() Finding {
	f := Finding{
		Check: "ProxyCommand", Status: Fail,
		Remedy: l.hostBlock("ProxyCommand fdrace -- %h %p", "ProxyUseFdpass yes"), Where: InConfig,
	}
	switch jump := l.config["proxyjump"]; {
	case jump != "":
		f.Found = fmt.Sprintf("none: ProxyJump %s comes first and takes precedence", jump)
		return f
	case l.config.unset("proxycommand"):
		f.Found = "none: ssh connects by itself"
		return f
	}
	words, err := splitWords(l.command)
	switch {
	case errors.Is(err, errSecondCommand):
		f.Found = fmt.Sprintf("%s: %v, as it writes exec before the line", redact(l.command), err)
		f.Remedy, f.Where = "write sh -c '...' around the line; or let fdrace run the other command, as in: fdrace --or 'nc %h %p' -- %h %p", ByHand
		if first := strings.Fields(l.command); filepath.Base(first[0]) == "fdrace" {
			f.Status = Warn // the first one works
		}
		return f
	case err != nil:
		f.Status, f.Remedy, f.Where = Warn, "to check further, write the fdrace command without it", ByHand
		f.Found = fmt.Sprintf("%s: %v", redact(l.command), err)
		return f
	}
	for l.program < len(words) && isPrefix(words[l.program].text) {
		l.program++
	}
	if l.program == len(words) || filepath.Base(words[l.program].text) != "fdrace" {
		f.Found = redact(l.command) + ": the ProxyCommand in effect is not fdrace"
		return f
	}
	l.words = words
	return Finding{Check: f.Check, Status: OK, Found: redact(l.command)}
}

// isPrefix reports whether a word can precede the program: env(1), the variables it sets,
// or exec, which ssh writes there anyway.
func isPrefix(text string) bool {
	name, _, sets := strings.Cut(text, "=")
	return text == "env" || text == "exec" || sets && !strings.ContainsAny(name, "/-")
}
