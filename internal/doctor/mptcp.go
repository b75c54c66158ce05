//go:build unix

package doctor

import (
	"errors"
	"slices"

	"fdrace/internal/helper"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// stateOfMPTCP is the check without an alias. It is not a problem if MPTCP is off, or has no
// second path: only --mptcp needs it.
func stateOfMPTCP() Finding {
	all := checkMPTCP()
	f := Finding{Check: all[0].Check, Status: OK, Found: all[0].Found}
	if slices.ContainsFunc(all, func(f Finding) bool { return f.Status != OK }) {
		f.Found += `; before using --mptcp, run "fdrace --doctor ALIAS"`
	}
	return f
}

// checkMPTCP checks what --mptcp needs on this machine. No finding is a Fail: without MPTCP
// a session uses plain TCP.
func checkMPTCP() []Finding {
	f := Finding{Check: "MPTCP", Status: Warn, Where: InShell}
	err := mptcp.Supported()
	switch {
	case err == nil:
		f.Found = "supported and enabled"
		if paused, err := mptcp.Paused(); err == nil && paused {
			f.Found += ", but paused: a network dropped MPTCP packets, and this kernel uses plain TCP for an hour or more"
			f.Remedy = sudo(helper.Resume)
		} else {
			f.Status, f.Where = OK, ""
		}
		return append([]Finding{f}, checkPaths()...)
	case errors.Is(err, errors.ErrUnsupported):
		return []Finding{{Check: f.Check, Status: OK, Found: "not supported on this system: --mptcp has no effect"}}
	}
	f.Found = err.Error()
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		f.Remedy = sudo("sysctl -w net.mptcp.enabled=1")
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL):
		f.Remedy, f.Where = "boot Linux 5.6 or later with CONFIG_MPTCP=y; plain TCP works without it", ByHand
	default:
		f.Remedy, f.Where = "allow this program to create sockets of protocol 262 (IPPROTO_MPTCP); plain TCP works without it", ByHand
	}
	return []Finding{f}
}
