//go:build unix

package doctor

import (
	"fmt"
	"os"
	"strings"

	"fdrace/internal/term"
)

// checkProgram runs the program with ssh's shell, which may have a PATH of its own.
func (l *login) checkProgram() Finding {
	f := Finding{Check: "fdrace", Status: Fail}
	shell, _ := sshShell()
	program := l.words[l.program]
	s, err := run(shell, "-c", "exec "+l.command[:program.end]+" --version")
	if err != nil {
		f.Found = fmt.Sprintf("not checked: %v", err) // checkShell says what to do
		return f
	}
	_, version, itIs := strings.Cut(s.err+s.out, "fdrace ")
	if s.ending() == "" && itIs {
		version, _, _ = strings.Cut(version, "\n")
		return Finding{Check: f.Check, Status: OK, Found: fmt.Sprintf("%s finds %s, version %s", shell, program.text, version)}
	}
	f.Found = fmt.Sprintf("%s cannot run %s: %s", shell, program.text, s.firstLine())
	switch first := l.words[0]; {
	case l.program == 0 || first.text == "env":
	case first.text == "exec":
		f.Found += "; ssh writes exec before the line already"
		return l.fixCommand(f, strings.TrimLeft(l.command[first.end:], " \t"))
	default: // it sets a variable
		f.Found += "; ssh writes exec before the line, after which only env sets variables"
		return l.fixCommand(f, "env "+l.command)
	}
	f.Remedy, f.Where = "sudo make install", ByHand
	if self, err := os.Executable(); err == nil {
		f = l.fixCommand(f, l.command[:program.start]+term.Quote(self)+l.command[program.end:])
	}
	return f
}
