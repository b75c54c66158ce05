//go:build unix

package doctor

import (
	"errors"
	"slices"

	"fdrace/internal/helper"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// stateOfMPTCP is for a person who has not named an alias. It is no fault if MPTCP is
// off, or has no second path: only --mptcp needs it.
func stateOfMPTCP() Finding {
	all := checkMPTCP()
	f := Finding{Check: all[0].Check, Status: OK, Found: all[0].Found}
	if slices.ContainsFunc(all, func(f Finding) bool { return f.Status != OK }) {
		f.Found += `; for use with --mptcp see "fdrace --doctor ALIAS"`
	}
	return f
}

// checkMPTCP looks at what --mptcp needs of this machine. Without it a session
// is plain TCP: nothing here fails.
func checkMPTCP() []Finding {
	f := Finding{Check: "MPTCP", Status: Warn, Where: InShell}
	err := mptcp.Supported()
	switch {
	case err == nil:
		f.Found = "in this kernel, and on"
		if paused, err := mptcp.Paused(); err == nil && paused {
			f.Found += ", but paused: a network has dropped it, and for an hour or more all connections are plain TCP"
			f.Remedy = sudo(helper.Resume)
		} else {
			f.Status, f.Where = OK, ""
		}
		return append([]Finding{f}, checkPaths()...)
	case errors.Is(err, errors.ErrUnsupported):
		return []Finding{{Check: f.Check, Status: OK, Found: "not on this system: --mptcp has no effect"}}
	}
	f.Found = err.Error()
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		f.Remedy = sudo("sysctl -w net.mptcp.enabled=1")
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL):
		f.Remedy, f.Where = "boot a kernel that has CONFIG_MPTCP=y, 5.6 or later; plain TCP works without", ByHand
	default:
		f.Remedy, f.Where = "let this program make sockets of protocol 262 (IPPROTO_MPTCP); plain TCP works without", ByHand
	}
	return []Finding{f}
}
