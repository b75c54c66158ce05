//go:build unix

package doctor

import (
	"fmt"
	"strings"

	"fdrace/internal/engine"
)

// arguments returns fdrace's arguments with the tokens replaced, as ssh does it.
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

// textFlag returns the flag because of which fdrace prints a text and does not connect, or
// "". shows is set for --help and --version, which are not in l.options.
func (l *login) textFlag(shows bool) string {
	switch o := l.options; {
	case shows:
		return "--help or --version"
	case o.Explain:
		return "--explain"
	case o.Doctor:
		return "--doctor"
	case o.Setup:
		return "--setup"
	}
	return ""
}

// checkArguments parses the arguments as fdrace does, and returns the race that they ask
// for.
func (l *login) checkArguments() ([]engine.Target, *engine.Dialer, Finding) {
	f := Finding{Check: "arguments", Status: Fail, Remedy: `correct the ProxyCommand; "fdrace --help" lists the flags`, Where: ByHand}
	args := l.arguments()
	shows, err := l.parse(&l.options, args)
	if flag := l.textFlag(shows); flag != "" {
		f.Found = flag + " prints a text, and makes no connection for ssh"
		f.Remedy = "remove it from the ProxyCommand"
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
	return targets, d, Finding{Check: f.Check, Status: OK, Found: "races " + strings.Join(names, ", ")}
}
