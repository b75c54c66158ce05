//go:build unix

package doctor

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fdrace/internal/term"
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

// checkBlind adds to f, the finding that ssh -G prints another ProxyCommand or none, why
// ssh may still run fdrace: there is a Match block that ssh -G cannot evaluate.
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
// ProxyCommand tell. It sets l.words if the rest can be checked.
func (l *login) checkCommand() Finding {
	f := Finding{
		Check: "ProxyCommand", Status: Fail,
		Remedy: l.hostBlock("ProxyCommand fdrace -- %h %p", "ProxyUseFdpass yes"), Where: InConfig,
	}
	switch jump := l.config["proxyjump"]; {
	case jump != "":
		f.Found = fmt.Sprintf("none: ProxyJump %s comes first, so ssh ignores ProxyCommand", jump)
		f.Remedy += fmt.Sprintf("\n# to keep the jump host: ProxyCommand fdrace --jump %s -- %%h %%p", term.Quote(jump))
		return f
	case l.config.unset("proxycommand"):
		f.Found = "none: ssh connects by itself"
		if strings.EqualFold(l.config["hostname"], l.host) {
			f.Remedy += fmt.Sprintf("\n# if %s is not its name in DNS, this prints a block: fdrace --setup %s HOSTNAME", l.host, term.Quote(l.host))
		}
		return f
	}
	words, err := splitWords(l.command)
	switch {
	case (errors.Is(err, errSecondCommand) || errors.Is(err, errPipe)) && !namesFdrace(l.command):
		return l.otherCommand(f, strings.Fields(l.command)[0])
	case err != nil:
		return l.unreadable(f, err)
	}
	for l.program < len(words) && isPrefix(words[l.program].text) {
		l.program++
	}
	if l.program == len(words) {
		return l.otherCommand(f, "it")
	}
	w := words[l.program]
	dir, name := filepath.Split(w.text)
	first, _, spaced := strings.Cut(w.text, " ")
	switch {
	case name == "fdrace":
		l.words = words
		return Finding{Check: f.Check, Status: OK, Found: redact(l.command)}
	case spaced && filepath.Base(first) == "fdrace":
		f.Found = redact(l.command) + ": the shell reads what is in quotes as the name of one program"
		return l.fixCommand(f, l.command[:w.start]+w.text+l.command[w.end:])
	case closest(name, []string{"fdrace"}) != "":
		f.Found = fmt.Sprintf("%s: did you mean %sfdrace?", redact(l.command), dir)
		return l.fixCommand(f, l.command[:w.start]+term.Quote(dir+"fdrace")+l.command[w.end:])
	case namesFdrace(l.command):
		f.Status, f.Found = Warn, fmt.Sprintf("%s: the doctor cannot look inside %s", redact(l.command), w.text)
		f.Remedy, f.Where = "for the other checks, make fdrace the first word of the ProxyCommand for a while", ByHand
		return f
	}
	return l.otherCommand(f, w.text)
}

// unreadable is checkCommand for a line that splitWords cannot split.
func (l *login) unreadable(f Finding, err error) Finding {
	f.Found = fmt.Sprintf("%s: %v", redact(l.command), err)
	isFirst := filepath.Base(strings.Fields(l.command)[0]) == "fdrace"
	switch {
	case errors.Is(err, errPipe) && isFirst:
		f.Remedy, f.Where = "remove the | and what follows it: fdrace passes its connection by its stdout, which ssh has to have", ByHand
	case errors.Is(err, errSecondCommand) && isFirst:
		f.Status = Warn // the first one works
		f.Remedy, f.Where = "let fdrace run the other command, as in: fdrace --or 'nc %h %p' -- %h %p", ByHand
	case errors.Is(err, errSecondCommand):
		f = l.fixCommand(f, "sh -c "+term.Quote(l.command))
		l.words = nil
	default:
		f.Status, f.Remedy, f.Where = Warn, "to check further, write the fdrace command without it", ByHand
	}
	return f
}

// otherCommand is checkCommand for a program that is not fdrace. It also checks that ssh does
// not expect a descriptor from it: people often set ProxyUseFdpass for all hosts.
func (l *login) otherCommand(f Finding, program string) Finding {
	f.Found = redact(l.command) + ": the ProxyCommand in effect is not fdrace"
	words, err := splitWords(l.command)
	passes := func(w word) bool { return w.text == "-F" } // OpenBSD's nc
	if l.config.is("proxyusefdpass", "yes") && err == nil && !slices.ContainsFunc(words, passes) {
		f.Found += fmt.Sprintf("; ProxyUseFdpass is yes, but %s does not pass a descriptor: ssh fails with a line about mm_receive_fd", program)
		keep := l.hostBlock("ProxyUseFdpass no")
		f.Remedy += fmt.Sprintf("\n# or, to keep %s, only this:\n# ", program) + strings.ReplaceAll(keep, "\n", "\n# ")
	}
	return f
}

// namesFdrace reports whether fdrace is a word of command, or the last part of one.
func namesFdrace(command string) bool {
	return slices.Contains(strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" \t/'\"();&|`", r) }), "fdrace")
}

// isPrefix reports whether a word can precede the program: env(1), the variables it sets,
// or exec, which ssh writes there anyway.
func isPrefix(text string) bool {
	name, _, sets := strings.Cut(text, "=")
	return text == "env" || text == "exec" || sets && !strings.ContainsAny(name, "/-")
}
