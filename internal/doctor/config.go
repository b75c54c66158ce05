//go:build unix

package doctor

import (
	"fmt"
	"strings"
)

// sshConfig is the output of ssh -G for a host (since OpenSSH 6.8): the value of each
// keyword, in lower case, as ssh will use it; the tokens of a ProxyCommand are not
// expanded.
type sshConfig map[string]string

// parseConfig reads what ssh -G prints: a keyword, a space and its value in each line. If
// a keyword is there more than once, its first value counts.
func parseConfig(text string) sshConfig {
	c := sshConfig{}
	for line := range strings.Lines(text) {
		keyword, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		keyword = strings.ToLower(keyword)
		if _, there := c[keyword]; keyword != "" && !there {
			c[keyword] = value
		}
	}
	return c
}

// is reports whether the keyword's value is word, ignoring case.
func (c sshConfig) is(keyword, word string) bool { return strings.EqualFold(c[keyword], word) }

// unset reports whether the keyword has no value, or "none".
func (c sshConfig) unset(keyword string) bool { return c[keyword] == "" || c.is(keyword, "none") }

// LookUpAlias returns the HostName and the Port that ssh_config has for alias. ok reports
// whether it has another HostName than alias.
func LookUpAlias(alias string) (host, port string, ok bool) {
	c, _ := readConfig(alias, "")
	host, port = c["hostname"], c["port"]
	return host, port, host != "" && !strings.EqualFold(host, alias)
}

// readConfig asks ssh for its configuration of alias, from file if that is not
// empty.
func readConfig(alias, file string) (sshConfig, Finding) {
	f := Finding{Check: "ssh_config", Status: Fail, Where: ByHand}
	path, _ := find("ssh")
	args := []string{path, "-G"}
	if file != "" {
		args = append(args, "-F", file)
	}
	s, err := run(append(args, "--", alias)...)
	asked := strings.Join(append([]string{"ssh"}, args[1:]...), " ") + " " + alias
	switch {
	case err != nil:
		f.Found = err.Error()
	case s.late:
		f.Found = fmt.Sprintf("%s %s", asked, s.ending())
		f.Remedy = `look for a "Match exec" whose command waits`
	case s.code != 0 && strings.Contains(s.err, "unknown key %"):
		f.Found = fmt.Sprintf("%s: %s", asked, s.firstLine())
		f.Remedy = "write each literal % twice, as in HostName fe80::1%%eth0"
	case s.code != 0:
		f.Found = fmt.Sprintf("%s: %s", asked, s.firstLine())
		f.Remedy = "correct that line, or choose another file with -F"
	case !parseConfig(s.out).unset("refuseconnection"):
		f.Found = "RefuseConnection: " + parseConfig(s.out)["refuseconnection"]
		f.Remedy = "remove RefuseConnection from its block: with it, ssh does not connect"
	default:
		c := parseConfig(s.out)
		return c, Finding{Check: f.Check, Status: OK, Found: fmt.Sprintf("%s: host %s, port %s", asked, c["hostname"], c["port"])}
	}
	return nil, f
}
