//go:build unix

package doctor

import (
	"strings"

	"fdrace/internal/helper"
)

// A login is how ssh will connect to an alias.
type login struct {
	host    string // the name on its Host line
	config  sshConfig
	command string // the ProxyCommand, with all remedies so far
	words   []word // of command; words[program] is fdrace, the rest are its arguments
	program int
	options helper.Options // as parsed from those arguments
	parse   Parser
	pardon  func() // waits until the server no longer counts what it saw; nil if it saw nothing
	noPort  bool   // ssh_config has a Port, and the ProxyCommand had no %p
	seen    int    // connections on which host keys were compared
}

// checkAlias checks the configuration that ssh -G prints for alias, and then the path to
// the server. It stops where further checks would make no sense.
func checkAlias(r *report, alias, file string, parse Parser) {
	c, f := readConfig(alias, file)
	if r.add(f); c == nil {
		return
	}
	l := &login{host: c["host"], config: c, command: c["proxycommand"], parse: parse}
	if l.host == "" { // before OpenSSH 8.7
		l.host = alias[strings.LastIndexByte(alias, '@')+1:]
	}
	files := readConfigFiles(file)
	r.add(checkSpelling(l.host, files)...)
	r.add(l.checkMaster(alias, file)...)
	f = checkBlind(l.checkCommand(), files)
	if r.add(f); l.words == nil {
		if namesFdrace(l.command) {
			r.add(l.checkFdpass())
		}
		return
	}
	r.add(l.checkFdpass())
	r.add(l.checkProgram())
	r.add(l.checkZones()...)
	targets, d, f := l.checkArguments()
	if r.add(f); f.Status == Fail {
		return
	}
	r.add(l.checkPort(targets)...)
	r.add(l.checkQuotes()...)
	r.add(l.checkDashes()...)
	r.add(l.checkNames(file)...)
	r.add(l.checkKeywords()...)
	r.add(l.checkLog()...)
	if l.wantsMPTCP() {
		r.add(checkMPTCP()...)
	}
	r.add(l.checkIPQoS(targets)...)
	r.add(l.checkLostPath()...)
	r.add(l.checkHostKeyFlag()...)
	r.add(l.checkHostKeys(targets, d)...)
	r.add(l.checkPath(targets, d)...)
	l.awaitPardon()
}

// hostBlock returns a remedy: a Host block of ssh_config with these lines.
func (l *login) hostBlock(lines ...string) string {
	return "Host " + l.host + "\n    " + strings.Join(lines, "\n    ")
}

// fixCommand returns f with command, a corrected ProxyCommand, as its remedy. Later remedies
// start from command, so that the last one includes all.
func (l *login) fixCommand(f Finding, command string) Finding {
	l.command = command
	if words, err := splitWords(command); err == nil {
		l.words = words
	}
	f.Remedy, f.Where = l.hostBlock("ProxyCommand "+command), InConfig
	if shown := redact(command); shown != command {
		f.Remedy, f.Where = "write this, with the login in place of the dots: ProxyCommand "+shown, ByHand
	}
	return f
}
