//go:build unix

package helper

import (
	"fmt"
	"net/netip"
	"slices"

	"fdrace/internal/engine"
	"fdrace/internal/paths"
	"fdrace/mptcp"
)

// printPaths prints which paths a winner that speaks MPTCP can use: with -vv each path, and
// with -v only if it can use no more than one, although this machine has more. If the
// winner fell back to plain TCP because this kernel has paused MPTCP, it says so.
func printPaths(o *Options, w *engine.Winner) {
	if o.Verbose == 0 || w.Transport != "mptcp" {
		return
	}
	if yes, err := mptcp.InUseFD(w.FD); err != nil {
		return
	} else if !yes {
		if whyTCP() == errPaused {
			printErr(fmt.Sprintf("fdrace: %s: %q ends that", whyPaused, "sudo "+Resume))
		}
		return
	}
	local := engine.LocalAddr(w.FD)
	all, err := paths.List()
	var limits mptcp.Limits
	if err == nil {
		limits, err = mptcp.ReadLimits()
	}
	switch {
	case err != nil && o.Verbose > 1:
		printErr(fmt.Sprintf("fdrace: which paths it will use is not known: %v", err))
	case err != nil:
	case o.Verbose > 1:
		for _, line := range eachPath(all, limits, local) {
			printErr("fdrace: " + line)
		}
	default:
		if line := onlyPath(all, local); line != "" {
			printErr("fdrace: " + line)
		}
	}
}

// eachPath returns a line for each path that a connection from local may use.
func eachPath(all []paths.Path, limits mptcp.Limits, local netip.Addr) (lines []string) {
	all = ofFamily(all, local)
	for _, p := range all {
		line := "path " + p.String()
		if slices.Contains(p.Addrs, local) {
			line += ", in use"
		}
		if c := p.Command(); c != "" {
			line += ": " + c
		}
		lines = append(lines, line)
	}
	if c := paths.LimitsCommand(limits, all); c != "" {
		lines = append(lines, fmt.Sprintf("subflows beside the first are limited to %d: %s", limits.Subflows, c))
	}
	return lines
}

// onlyPath returns a line if only the path with the address local can be used, and another
// one needs no more than an endpoint.
func onlyPath(all []paths.Path, local netip.Addr) string {
	var first, second, command string
	for _, p := range ofFamily(all, local) {
		switch {
		case slices.Contains(p.Addrs, local):
			first = p.Interface
		case p.Endpoint:
			return ""
		case p.Gateway && second == "":
			second, command = p.Interface, p.Command()
		}
	}
	if first == "" || second == "" {
		return ""
	}
	return fmt.Sprintf("only %s is used; to use %s too, run: %s", first, second, command)
}

// ofFamily returns those of all that are of local's address family.
func ofFamily(all []paths.Path, local netip.Addr) []paths.Path {
	return slices.DeleteFunc(slices.Clone(all), func(p paths.Path) bool { return p.Addr.Is4() != local.Is4() })
}
