package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"

	"github.com/alecthomas/kong"
)

// A login is what ssh will do for an alias.
type login struct {
	host    string // what a Host line calls it
	config  sshConfig
	command string // the ProxyCommand, with all remedies so far
	words   []word // of command; words[program] runs fdrace, what follows are its arguments
	program int
	options helper.Options // what they mean
	pardon  func()         // waits until the server has forgiven what it saw; nil if it saw nothing
	seen    int            // connections on which host keys were compared
}

// checkAlias looks at all that ssh -G tells of alias, and at the path to it,
// for as long as it makes sense to look further.
func checkAlias(r *report, alias, file string) {
	c, f := readConfig(alias, file)
	if r.add(f); c == nil {
		return
	}
	l := &login{host: c["host"], config: c, command: c["proxycommand"]}
	if l.host == "" { // before OpenSSH 8.7
		l.host = alias[strings.LastIndexByte(alias, '@')+1:]
	}
	f = l.checkCommand()
	if r.add(f); f.Status == fail {
		return
	}
	r.add(l.checkFdpass())
	if l.words == nil {
		return
	}
	r.add(l.checkProgram())
	r.add(l.checkZones()...)
	targets, d, f := l.checkArguments()
	if r.add(f); f.Status == fail {
		return
	}
	r.add(l.checkQuotes()...)
	r.add(l.checkDashes()...)
	r.add(l.checkNames(file)...)
	r.add(l.checkLog()...)
	r.add(l.checkIPQoS(targets)...)
	r.add(l.checkLostPath()...)
	r.add(l.checkHostKeys(targets, d)...)
	r.add(l.checkPath(targets, d)...)
	ended := time.Now()
	if l.pardon != nil {
		l.pardon()
	}
	l.awaitPardon(ended)
}

// block is a remedy: lines for l in an ssh_config.
func (l *login) block(lines ...string) string {
	return "Host " + l.host + "\n    " + strings.Join(lines, "\n    ")
}

// mend makes the ProxyCommand another one. Its remedy has all earlier ones in
// it, so that the last is enough.
func (l *login) mend(f finding, command string) finding {
	l.command = command
	if words, err := splitWords(command); err == nil {
		l.words = words
	}
	f.Remedy, f.Where = l.block("ProxyCommand "+command), inConfig
	if shown := redact(command); shown != command {
		f.Remedy, f.Where = "write, with its login in place of the dots: ProxyCommand "+shown, byHand
	}
	return f
}

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
func (l *login) checkCommand() finding {
	f := finding{
		Check: "ProxyCommand", Status: fail,
		Remedy: l.block("ProxyCommand fdrace -- %h %p", "ProxyUseFdpass yes"), Where: inConfig,
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
		f.Status, f.Remedy, f.Where = warn, "write fdrace and its words without it, if the checks are to go on", byHand
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
	return finding{Check: f.Check, Status: ok, Found: redact(l.command)}
}

// isPrefix says whether a word may stand before the program: env(1), what it
// sets, or the exec that ssh writes there anyway.
func isPrefix(text string) bool {
	name, _, sets := strings.Cut(text, "=")
	return text == "env" || text == "exec" || sets && !strings.ContainsAny(name, "/-")
}

func (l *login) checkFdpass() finding {
	f := finding{Check: "ProxyUseFdpass", Status: ok, Found: "yes"}
	if !l.config.is("proxyusefdpass", "yes") {
		f.Status, f.Found = fail, "no: ssh would have fdrace relay, which it never does"
		f.Remedy, f.Where = l.block("ProxyUseFdpass yes"), inConfig
	}
	return f
}

// checkProgram has ssh's shell look for the program, which may have a PATH of
// its own.
func (l *login) checkProgram() finding {
	f := finding{Check: "fdrace", Status: fail}
	shell, _ := sshShell()
	program := l.words[l.program]
	s, err := run(shell, "-c", "exec "+l.command[:program.end]+" --version")
	if err != nil {
		f.Found = fmt.Sprintf("not looked for: %v", err) // checkShell has said what to do
		return f
	}
	_, version, itIs := strings.Cut(s.err+s.out, "fdrace ")
	if s.ending() == "" && itIs {
		version, _, _ = strings.Cut(version, "\n")
		return finding{Check: f.Check, Status: ok, Found: fmt.Sprintf("%s finds %s, version %s", shell, program.text, version)}
	}
	f.Found = fmt.Sprintf("%s cannot run %s: %s", shell, program.text, s.firstLine())
	f.Remedy, f.Where = "sudo make install", byHand
	if self, err := os.Executable(); err == nil {
		f = l.mend(f, l.command[:program.start]+quote(self)+l.command[program.end:])
	}
	return f
}

// quote writes a word so that a shell reads it as it is.
func quote(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// checkZones looks for a % that had to be doubled.
func (l *login) checkZones() []finding {
	doubled := doubleZones(l.command)
	if doubled == l.command {
		return nil
	}
	f := finding{Check: "%", Status: fail, Found: "ssh takes a % for the begin of a token, as %h is: one that stands for itself is written %%"}
	return []finding{l.mend(f, doubled)}
}

// arguments are those of fdrace, when ssh has replaced its tokens.
func (l *login) arguments() (args []string) {
	values := map[byte]string{
		'h': l.config["hostname"], 'p': l.config["port"], 'n': l.host, 'r': l.config["user"], 'k': l.host,
	}
	if !l.config.unset("hostkeyalias") {
		values['k'] = l.config["hostkeyalias"]
	}
	for _, w := range l.words[l.program+1:] {
		args = append(args, expand(w.text, values))
	}
	return args
}

// checkArguments reads fdrace's own command line as fdrace does.
func (l *login) checkArguments() ([]engine.Target, *engine.Dialer, finding) {
	f := finding{Check: "arguments", Status: fail, Remedy: `mend the ProxyCommand; "fdrace --help" has the flags`, Where: byHand}
	args := l.arguments()
	exits := false
	err := parseWith(&l.options, args, kong.Exit(func(int) { exits = true }), kong.Writers(io.Discard, io.Discard))
	if exits || err == nil && (l.options.Doctor || l.options.Explain) {
		f.Found = "fdrace is asked for words, not for a connection"
		return nil, nil, f
	}
	var targets []engine.Target
	var d *engine.Dialer
	if err == nil {
		targets, d, err = l.options.Plan()
	}
	if err != nil {
		f.Found = err.Error()
		return nil, nil, f
	}
	var names []string
	for _, t := range targets {
		names = append(names, t.String())
	}
	for _, p := range d.Proxies {
		names = append(names, fmt.Sprintf("%s by the %s proxy %s", p.Target, p.Kind, p.Server))
	}
	for _, c := range d.Commands {
		names = append(names, c.Name)
	}
	return targets, d, finding{Check: f.Check, Status: ok, Found: "races " + strings.Join(names, ", ")}
}

// checkQuotes looks for a bracket that a shell takes for a pattern.
func (l *login) checkQuotes() []finding {
	mended := l.command
	for _, w := range slices.Backward(l.words) {
		if l.command[w.start] == '[' {
			mended = mended[:w.start] + "'" + w.text + "'" + mended[w.end:]
		}
	}
	if mended == l.command {
		return nil
	}
	f := finding{Check: "[]", Status: warn, Found: "without quotes they are a pattern, with which zsh fails, and other shells where a file matches"}
	return []finding{l.mend(f, mended)}
}

// checkNames wants --names-only in a block that matches whatever a URL has for a
// host name.
func (l *login) checkNames(file string) []finding {
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
	return []finding{{
		Check: "Host *", Status: warn,
		Found:  "the block matches every name: one in a URL, such as unix:/path, makes ssh talk to a local socket",
		Remedy: "write --names-only behind fdrace, as in: ProxyCommand fdrace --names-only -- %h %p", Where: byHand,
	}}
}

// checkDashes wants a -- before a name that others choose.
func (l *login) checkDashes() []finding {
	words := l.words[l.program+1:]
	foreign := func(w word) bool {
		return strings.HasPrefix(w.text, "%h") || strings.HasPrefix(w.text, "%n")
	}
	if !slices.ContainsFunc(words, foreign) || slices.ContainsFunc(words, func(w word) bool { return w.text == "--" }) {
		return nil
	}
	f := finding{Check: "--", Status: warn, Found: "missing: a host whose name begins with - would be taken for flags"}
	first := len(words) - len(l.options.Words)
	if !slices.Equal(l.arguments()[first:], l.options.Words) {
		f.Remedy, f.Where = `write the flags first, then --, then the targets`, byHand
		return []finding{f}
	}
	at := words[first].start
	return []finding{l.mend(f, l.command[:at]+"-- "+l.command[at:])}
}
