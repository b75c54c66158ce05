//go:build amd64 || arm64

package prestart

import (
	"net/netip"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// Try races as begin does, in a program whose runtime is up: for the tests of package
// engine. Their stdout must not be a socket, so that no connection can be passed. Try
// returns the address to which each target has begun a connection. Handoff returns the
// rest. Also where there is no route for IPv4, names have all of [Patience]: a
// millisecond is too short for a test's name server.
func Try(args []string) (begun map[string]netip.Addr) {
	mem.lanes, mem.polls, mem.cmdline, mem.began = [maxTargets]lane{}, pollList{}, commandLine{}, unix.Timespec{}
	mem.names.config, mem.names.health, mem.names.inboxLen, mem.names.policyRead = stub.Config{}, stub.Health{}, 0, false
	mem.names.lookups = [maxTargets]lookup{}
	mem.names.routeChecked, mem.names.noRoute4 = true, false
	if !mem.cmdline.parse(args) {
		return nil
	}
	race(&mem.cmdline)
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
