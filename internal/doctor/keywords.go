//go:build unix

package doctor

import (
	"fmt"
	"strings"
)

// checkKeywords looks for keywords that do nothing to a connection which fdrace makes,
// and for the flag that does what each is meant to do.
func (l *login) checkKeywords() (found []Finding) {
	o := &l.options
	for _, k := range []struct {
		keyword string // as in ssh_config(5)
		flag    string // what to write, "" if it is there already
	}{
		{"AddressFamily", map[string]string{"inet": flagUnless(o.IPv4, "-4"), "inet6": flagUnless(o.IPv6, "-6")}[l.config["addressfamily"]]},
		{"BindAddress", flagUnless(l.config.unset("bindaddress") || o.BindAddress != nil, "-b "+quote(l.config["bindaddress"]))},
		{"BindInterface", flagUnless(l.config.unset("bindinterface") || o.Interface != nil || o.EveryInterface, "-B "+quote(l.config["bindinterface"]))},
		{"ConnectTimeout", flagUnless(l.config.unset("connecttimeout") || l.config.is("connecttimeout", "0") || o.Timeout != nil, "-w "+quote(l.config["connecttimeout"]))},
	} {
		if k.flag == "" {
			continue
		}
		value := l.config[strings.ToLower(k.keyword)]
		f := Finding{Check: k.keyword, Status: Warn, Found: fmt.Sprintf("%s has no effect on the connection that fdrace makes: its flag %s does that", value, k.flag)}
		at := l.words[l.program].end
		found = append(found, l.fixCommand(f, l.command[:at]+" "+k.flag+l.command[at:]))
	}
	if c := "canonicalizehostname"; l.config.is(c, "true") || l.config.is(c, "yes") {
		found = append(found, Finding{
			Check: "CanonicalizeHostname", Status: Warn,
			Found:  "yes has no effect where there is a ProxyCommand: always has",
			Remedy: l.hostBlock("CanonicalizeHostname always"), Where: InConfig,
		})
	}
	return found
}

func flagUnless(has bool, flag string) string {
	if has {
		return ""
	}
	return flag
}
