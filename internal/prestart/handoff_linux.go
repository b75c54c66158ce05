//go:build amd64 || arm64

package prestart

import (
	"net/netip"
	"time"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// Handoff returns what was begun before the runtime started: connections on
// non-blocking sockets, which the caller owns now, and lookups by name. age is the time
// since the race began. The second call returns nothing.
func Handoff() (conns []Conn, lookups map[string]*stub.Exchange, age time.Duration) {
	if mem.cmdline.n == 0 || mem.began == (unix.Timespec{}) {
		return nil, nil, 0
	}
	for i := range mem.lanes[:mem.cmdline.n] {
		n := &mem.lanes[i]
		if n.fd >= 0 {
			conns = append(conns, Conn{netip.AddrPortFrom(toNetip(&n.addr), mem.cmdline.port), n.fd, n.at})
		}
		if n.lookup != nil && n.Config != nil {
			if lookups == nil {
				lookups = map[string]*stub.Exchange{}
			}
			lookups[n.name] = &n.Exchange
		}
	}
	mem.cmdline.n = 0
	return conns, lookups, sinceBegan()
}
