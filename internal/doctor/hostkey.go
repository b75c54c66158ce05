package doctor

import (
	"fmt"
	"slices"

	"fdrace/internal/engine"
)

// checkHostKey looks by what name ssh knows the host key of several targets. One
// of theirs is a bad one: another place's DNS or mDNS may give it to another
// machine, and the port is a part of it.
func (l *login) checkHostKey(targets []engine.Target) []Finding {
	var hosts []string
	for _, t := range targets {
		if !slices.Contains(hosts, t.Host) {
			hosts = append(hosts, t.Host)
		}
	}
	if len(hosts) < 2 {
		return nil
	}
	f := Finding{Check: "HostKeyAlias", Status: OK}
	switch alias, name := l.config["hostkeyalias"], l.config["hostname"]; {
	case !l.config.unset("hostkeyalias"):
		f.Found = fmt.Sprintf("the key of all %d hosts is known as %s", len(hosts), alias)
	case slices.Contains(hosts, name):
		f.Status = Warn
		f.Found = fmt.Sprintf("missing: the key of all %d hosts is known as %s, which is the name of one", len(hosts), name)
		f.Remedy, f.Where = l.hostBlock("HostKeyAlias "+l.host), InConfig
	default:
		f.Found = fmt.Sprintf("not needed: the key of all %d hosts is known as %s", len(hosts), name)
	}
	return []Finding{f}
}
