package doctor

import (
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

// checkCommand says whether ssh will run fdrace, as far as the words tell.
func (l *login) checkCommand() Finding {
	f := Finding{
		Check: "ProxyCommand", Status: Fail,
		Remedy: l.hostBlock("ProxyCommand fdrace -- %h %p", "ProxyUseFdpass yes"), Where: InConfig,
	}
	switch jump := l.config["proxyjump"]; {
	case jump != "":
		f.Found = fmt.Sprintf("none: a ProxyJump through %s is in the way, and wins over one that comes later", jump)
		return f
	case l.config.unset("proxycommand"):
		f.Found = "none: ssh connects by itself"
		return f
	}
	words, err := splitWords(l.command)
	if err != nil {
		f.Status, f.Remedy, f.Where = Warn, "write fdrace and its words without it, if the checks are to go on", ByHand
		f.Found = fmt.Sprintf("%s: %v", redact(l.command), err)
		return f
	}
	for l.program < len(words) && isPrefix(words[l.program].text) {
		l.program++
	}
	if l.program == len(words) || filepath.Base(words[l.program].text) != "fdrace" {
		f.Found = redact(l.command) + ": another one wins over fdrace, or there is no fdrace"
		return f
	}
	l.words = words
	return Finding{Check: f.Check, Status: OK, Found: redact(l.command)}
}

// isPrefix says whether a word may stand before the program: env(1), what it
// sets, or the exec that ssh writes there anyway.
func isPrefix(text string) bool {
	name, _, sets := strings.Cut(text, "=")
	return text == "env" || text == "exec" || sets && !strings.ContainsAny(name, "/-")
}
