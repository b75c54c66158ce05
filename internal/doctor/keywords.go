//go:build unix

package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fdrace/internal/engine"
	"fdrace/internal/term"
)

// checkKeywords looks for keywords that have no effect on the connections of fdrace, and
// suggests the flag that has the same effect.
func (l *login) checkKeywords() (found []Finding) {
	o := &l.options
	for _, k := range []struct {
		keyword string // as in ssh_config(5)
		flag    string // to be added; "" if the keyword is not set, or if the flag is there already
	}{
		{"AddressFamily", map[string]string{"inet": flagUnless(o.IPv4, "-4"), "inet6": flagUnless(o.IPv6, "-6")}[l.config["addressfamily"]]},
		{"BindAddress", flagUnless(l.config.unset("bindaddress") || o.BindAddress != nil, "-b "+term.Quote(l.config["bindaddress"]))},
		{"BindInterface", flagUnless(l.config.unset("bindinterface") || o.Interface != nil || o.EveryInterface, "-B "+term.Quote(l.config["bindinterface"]))},
		{"ConnectTimeout", flagUnless(l.config.unset("connecttimeout") || l.config.is("connecttimeout", "0") || o.Timeout != nil, "-w "+term.Quote(l.config["connecttimeout"]))},
	} {
		if k.flag == "" {
			continue
		}
		value := l.config[strings.ToLower(k.keyword)]
		f := Finding{Check: k.keyword, Status: Warn, Found: fmt.Sprintf("%s has no effect on the connection that fdrace makes: use its flag %s, or remove the line", value, k.flag)}
		if k.keyword == "AddressFamily" && l.excludes(value) {
			f.Found = value + " has no effect on the connection that fdrace makes: it tries only the other family"
			f.Remedy, f.Where = "remove the line AddressFamily "+value, ByHand
			found = append(found, f)
			continue
		}
		at := l.words[l.program].end
		found = append(found, l.fixCommand(f, l.command[:at]+" "+k.flag+l.command[at:]))
	}
	if c := "canonicalizehostname"; l.config.is(c, "true") || l.config.is(c, "yes") {
		found = append(found, Finding{
			Check: "CanonicalizeHostname", Status: Warn,
			Found:  "yes has no effect with a ProxyCommand: use always",
			Remedy: l.hostBlock("CanonicalizeHostname always"), Where: InConfig,
		})
	}
	return found
}

// excludes reports whether fdrace tries no address of family, which is inet or inet6: each
// target is an address of the other family, or the ProxyCommand has the flag for that.
func (l *login) excludes(family string) bool {
	if family == "inet" && l.options.IPv6 || family == "inet6" && l.options.IPv4 {
		return true
	}
	targets, err := l.options.Targets()
	return err == nil && !slices.ContainsFunc(targets, func(t engine.Target) bool {
		a, err := netip.ParseAddr(t.Host)
		return err != nil || a.Is4() == (family == "inet")
	})
}

// flagUnless returns flag, or "" if has is set.
func flagUnless(has bool, flag string) string {
	if has {
		return ""
	}
	return flag
}
