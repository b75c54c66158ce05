//go:build amd64 || arm64

package prestart

import (
	"net/netip"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// Files are what Try reads instead of those in /etc.
type Files struct{ Hosts, Resolv, Gai string }

// Try races as begin does, in a program whose runtime is up: for the tests of package
// race, with their files, and their name servers at port. No connection can be passed
// to a stdout that is no socket. Try returns the address to which each target has
// begun a connection; Taken has what is left.
func Try(args []string, files Files, port uint16) (begun map[string]netip.Addr) {
	mem.lanes, mem.polls, mem.found = [maxTargets]lane{}, pollList{}, line{}
	names.config, names.health, names.inboxLen, names.policyRead = stub.Config{}, stub.Health{}, 0, false
	names.lookups = [maxTargets]lookup{}
	hostsPath, resolvPath, gaiPath, dnsPort = files.Hosts+"\x00", files.Resolv+"\x00", files.Gai+"\x00", port
	mem.since = unix.Timespec{}
	if !mem.found.read(args) {
		return nil
	}
	race(&mem.found)
	begun = map[string]netip.Addr{}
	for i := range mem.lanes {
		n := &mem.lanes[i]
		if !n.started {
			continue
		}
		addr := toNetip(&n.addr)
		if n.name == "" {
			n.name = addr.String()
		}
		begun[n.name] = addr
	}
	return begun
}
