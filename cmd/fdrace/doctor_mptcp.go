package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"fdrace/internal/helper"
	"fdrace/internal/paths"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// checkMPTCP looks at what --mptcp needs of this machine. Without it a session
// is plain TCP: nothing here fails.
func checkMPTCP() []finding {
	f := finding{Check: "MPTCP", Status: warn, Where: inShell}
	err := mptcp.Supported()
	switch {
	case err == nil:
		f.Found = "in this kernel, and on"
		if paused, err := mptcp.Paused(); err == nil && paused {
			f.Found += ", but paused: a network has dropped it, and for an hour or more all connections are plain TCP"
			f.Remedy = sudo(helper.Resume)
		} else {
			f.Status, f.Where = ok, ""
		}
		return append([]finding{f}, checkPaths()...)
	case errors.Is(err, errors.ErrUnsupported):
		return []finding{{Check: f.Check, Status: ok, Found: "not on this system: --mptcp has no effect"}}
	}
	f.Found = err.Error()
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		f.Remedy = sudo("sysctl -w net.mptcp.enabled=1")
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL):
		f.Remedy, f.Where = "boot a kernel that has CONFIG_MPTCP=y, 5.6 or later; plain TCP works without", byHand
	default:
		f.Remedy, f.Where = "let this program make sockets of protocol 262 (IPPROTO_MPTCP); plain TCP works without", byHand
	}
	return []finding{f}
}

// checkPaths looks whether a session over MPTCP can have more paths than its
// first: for that each way out needs an endpoint, where there are several.
func checkPaths() []finding {
	all, err := paths.List()
	var limits mptcp.Limits
	if err == nil {
		limits, err = mptcp.ReadLimits()
	}
	if err != nil {
		return []finding{{
			Check: "MPTCP paths", Status: warn, Found: fmt.Sprintf("not known: %v", err),
			Remedy: "run fdrace --doctor as root", Where: byHand,
		}}
	}
	f := finding{Check: "MPTCP limits", Status: ok, Found: fmt.Sprintf("a session may have %d paths beside its first", limits.Subflows)}
	if command := paths.LimitsCommand(limits, all); command != "" {
		f.Status, f.Found = warn, f.Found+", and this machine has more"
		f.Remedy, f.Where = sudo(command), inShell
	}
	found := []finding{f}
	for _, p := range all {
		if p.Gateway && hasOther(all, p) {
			found = append(found, checkEndpoint(p))
		}
	}
	if len(found) == 1 {
		found = append(found, finding{Check: "MPTCP endpoint", Status: ok, Found: "not needed: this machine has no second way out"})
	}
	return found
}

// staleLossCount is how many of its timeouts the kernel waits before it gives a
// silent path up, and sends what was lost with it by another (Linux 5.15).
const staleLossCount = "net.mptcp.stale_loss_cnt"

// checkLostPath looks at how long a session of l stands still when a path falls
// silent. Where the kernel has no such setting there is nothing to say.
func (l *login) checkLostPath() []finding {
	if !l.wantsMPTCP() {
		return nil
	}
	text, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(staleLossCount, ".", "/"))
	if err != nil {
		return nil
	}
	const best = "1"
	value := strings.TrimSpace(string(text))
	f := finding{Check: "MPTCP lost path", Status: ok, Found: staleLossCount + " is " + value + "; it should be on the server, too"}
	if value != best {
		set := staleLossCount + "=" + best
		f.Status, f.Where = warn, inShell
		f.Found = fmt.Sprintf("%s is %s: a session stands still longer than it must when a path falls silent, and output that never pauses may stop for good; the file keeps the setting over a reboot", staleLossCount, value)
		f.Remedy = sudo("sysctl -w "+set) + "\necho " + set + " | " + sudo("tee "+sysctlFile)
	}
	return []finding{f}
}

// sysctlFile is where a setting of the kernel is kept, by sysctl.d(5).
const sysctlFile = "/etc/sysctl.d/90-mptcp.conf"

// hasOther says whether there is another interface by which connections of p's
// family leave.
func hasOther(all []paths.Path, p paths.Path) bool {
	for _, q := range all {
		if q.Gateway && q.Interface != p.Interface && q.Addr.Is4() == p.Addr.Is4() {
			return true
		}
	}
	return false
}

func checkEndpoint(p paths.Path) finding {
	f := finding{Check: "MPTCP endpoint", Status: ok, Found: p.String()}
	command := p.Command()
	if command == "" {
		return f
	}
	f.Status, f.Where = warn, inShell
	if p.Loose {
		f.Found += ": its packets may leave by another"
	} else {
		f.Found += ": a session that began elsewhere cannot move here"
	}
	if managed(p.Addr) && !p.Loose {
		f.Found += "; NetworkManager (1.40 or later) makes it if told to"
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

// managed says whether NetworkManager, where it runs, would make an endpoint of
// the address: not of a unique local one (nm-settings(5), connection.mptcp-flags).
func managed(a netip.Addr) bool {
	return exists("/run/NetworkManager") && !(a.Is6() && a.IsPrivate())
}
