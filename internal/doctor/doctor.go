//go:build unix

// Package doctor is fdrace --doctor: it checks this machine and, for ssh ALIAS, its
// ssh_config and the path to its server, and says what to do about each problem.
//
// Each check is a function that returns findings, in a file of its own. It runs
// programs and connects, but changes nothing.
package doctor

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"fdrace/internal/helper"
)

// A Finding is the result of one check: a line of --doctor, and an object of its
// --json.
type Finding struct {
	Check  string   `json:"check"` // what was checked
	Status Status   `json:"status"`
	Found  string   `json:"found"`  // the result, in words
	Remedy string   `json:"remedy"` // what to do, in lines that can be copied; empty if there is nothing to do
	Where  Location `json:"where"`  // what the remedy is; empty without one
}

// A Status is how serious a finding is.
type Status string

const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, but not as well as it could, or not always
	Fail Status = "fail" // it does not work
)

// A Location says where a remedy belongs.
type Location string

const (
	InShell  Location = "shell"      // commands to run on this machine
	InConfig Location = "ssh_config" // a block to add to the top of the file
	OnServer Location = "server"     // commands to run there
	ByHand   Location = "hand"       // a sentence, as there is no single command
)

// A Parser reads a command line of fdrace into o. shows reports whether the line has --help
// or --version.
type Parser func(o *helper.Options, args []string) (shows bool, err error)

// CheckLine returns an error if o, a command line with --doctor, has something that
// --doctor cannot use.
func CheckLine(o helper.Options) error {
	words := o.Words
	o.Words, o.Doctor, o.JSON, o.SSHConfig = nil, false, false, nil
	switch {
	case !reflect.DeepEqual(o, helper.Options{}):
		return errors.New("--doctor takes the flags of the race from the ProxyCommand of its ALIAS: of other flags it takes only -F and --json")
	case len(words) > 1:
		return fmt.Errorf("%q: --doctor looks at one ALIAS at a time, as in ssh ALIAS", words[1])
	}
	return nil
}

// Run checks this machine and, if o has a word, the ssh_config of that alias, and
// writes what it finds to stdout. It returns helper.Exit(1) if something fails. parse
// reads the command line of a ProxyCommand.
func Run(o *helper.Options, parse Parser) error {
	file := ""
	if o.SSHConfig != nil {
		file = *o.SSHConfig
	}
	r := newReport(os.Stdout, file, o.JSON)
	ssh := checkOpenSSH()
	r.add(ssh)
	r.add(checkShell())
	r.add(checkPrestart())
	r.add(checkRoutes()...)
	r.add(checkMDNS())
	if len(o.Words) == 0 {
		r.add(stateOfMPTCP())
	}
	if len(o.Words) == 1 && ssh.Status != Fail {
		checkAlias(r, o.Words[0], file, parse)
	}
	if r.failed && r.err == nil {
		return helper.Exit(1)
	}
	return r.err
}

// sudo prefixes a command that only root may run.
func sudo(command string) string {
	if os.Geteuid() == 0 {
		return command
	}
	return "sudo " + command
}
