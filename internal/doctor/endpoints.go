//go:build unix

package doctor

import (
	"fmt"
	"net/netip"
	"strings"

	"fdrace/internal/paths"
	"fdrace/mptcp"
)

// checkPaths checks whether an MPTCP session can have more than one path: if this machine
// has several, each needs an endpoint.
func checkPaths() []Finding {
	all, err := paths.List()
	var limits mptcp.Limits
	if err == nil {
		limits, err = mptcp.ReadLimits()
	}
	if err != nil {
		return []Finding{{
			Check: "MPTCP paths", Status: Warn, Found: fmt.Sprintf("not known: %v", err),
			Remedy: "run fdrace --doctor as root", Where: ByHand,
		}}
	}
	f := Finding{Check: "MPTCP limits", Status: OK, Found: fmt.Sprintf("a session may have %d paths beside its first", limits.Subflows)}
	if command := paths.LimitsCommand(limits, all); command != "" {
		f.Status, f.Found = Warn, f.Found+", but this machine has more"
		f.Remedy, f.Where = sudo(command), InShell
	}
	found := []Finding{f}
	for _, p := range all {
		if p.Gateway && hasOther(all, p) {
			found = append(found, checkEndpoint(p))
		}
	}
	if len(found) == 1 {
		found = append(found, Finding{Check: "MPTCP endpoint", Status: OK, Found: "not needed: this machine has only one path to the internet"})
	}
	return found
}

// hasOther reports whether another interface has a default route for p's family.
func hasOther(all []paths.Path, p paths.Path) bool {
	for _, q := range all {
		if q.Gateway && q.Interface != p.Interface && q.Addr.Is4() == p.Addr.Is4() {
			return true
		}
	}
	return false
}

func checkEndpoint(p paths.Path) Finding {
	f := Finding{Check: "MPTCP endpoint", Status: OK, Found: p.String()}
	command := p.Command()
	if command == "" {
		return f
	}
	f.Status, f.Where = Warn, InShell
	if p.UnboundInterface {
		f.Found += ": its packets may leave through another interface"
	} else {
		f.Found += ": a session that starts on another interface cannot use it"
	}
	if managed(p.Addr) && !p.UnboundInterface {
		f.Found += "; NetworkManager (1.40 or later) can create it"
		f.Remedy = strings.Join([]string{
			fmt.Sprintf(`c=$(nmcli -g GENERAL.CONNECTION device show %s)`, p.Interface),
			sudo(`nmcli connection modify "$c" connection.mptcp-flags enabled,subflow`),
			sudo(`nmcli connection up "$c"`),
		}, "\n")
		return f
	}
	var lines []string
	for one := range strings.SplitSeq(command, " && ") {
		lines = append(lines, sudo(one))
	}
	f.Remedy = strings.Join(lines, "\n")
	return f
}

// managed reports whether NetworkManager runs and would create an endpoint for the address:
// it does not for unique local ones (nm-settings(5), connection.mptcp-flags).
func managed(a netip.Addr) bool {
	return exists("/run/NetworkManager") && !(a.Is6() && a.IsPrivate())
}
