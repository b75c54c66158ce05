//go:build amd64 || arm64

package prestart

import (
	"time"

	"fdrace/internal/rawsys"
	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// The names of a race are looked up by packages stub and rawsys. The rules are those of
// package engine (answers.go, names_linux.go), for one address of each name.

const (
	// nat64Patience is how long names are waited for if there is no route for IPv4:
	// then the runtime also asks for the NAT64 prefix.
	nat64Patience = time.Millisecond

	// maxAddrs is how many addresses a name may have. More are for the runtime.
	maxAddrs = 8
)

// A lookup is that of a name.
type lookup struct {
	stub.Exchange // Config is nil if no name server was asked
	asking        bool
	answered      [2]bool
	addrs         [maxAddrs + 1]stub.Addr // one more for preferIPv4
	count, count6 int                     // of addrs, and how many of those are IPv6
	startAt       time.Duration           // when the first attempt may start
}

// A nameMemory is for lookups. What is used most comes first.
type nameMemory struct {
	hosts                  rawsys.HostsFile
	inboxLen               int
	routeChecked, noRoute4 bool
	policyRead             bool
	dests                  [maxAddrs + 1]stub.Dest
	config                 stub.Config
	health                 stub.Health
	records                stub.Answer
	lookups                [maxTargets]lookup
	policy                 stub.Policy
	configText             [rawsys.BufferSize]byte // config points into it
	inbox                  [128 << 10]byte         // messages, one after another; the rest is free
}

var (
	loopback6 = stub.Addr{IP: [16]byte{15: 1}}
	loopback4 = stub.Addr{IP: [16]byte{127, 0, 0, 1}, Is4: true}
)

// Addresses of the root name server A, as in package engine. Nothing is sent.
var (
	farIPv4 = stub.Addr{IP: [16]byte{198, 41, 0, 4}, Is4: true}
	farIPv6 = stub.Addr{IP: [16]byte{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 13: 0x02, 15: 0x30}}
)

// buffer returns the free part of the inbox.
func buffer() []byte { return stub.Cut(mem.names.inbox[:], mem.names.inboxLen, len(mem.names.inbox)) }

// findNames looks for each name in /etc/hosts, and begins the lookups of the others. It
// returns false if the runtime has to do it.
func (c *commandLine) findNames(now time.Duration) (simple bool) {
	for i := range mem.lanes {
		n := &mem.lanes[i]
		if n.lookup == nil {
			continue
		}
		if mem.names.hosts.Open(n.name, buffer()) != 0 {
			return false
		}
		listed, simple := false, true
		for simple && mem.names.hosts.Next() {
			listed, simple = true, c.add(n, &mem.names.hosts.Addr)
		}
		mem.names.hosts.Close()
		switch {
		case listed:
		case stub.IsLocalhost(n.name): // RFC 6761 section 6.3
			c.add(n, &loopback6)
			c.add(n, &loopback4)
		default:
			simple = c.begin(n, now)
		}
		if !simple {
			return false
		}
	}
	return true
}

// begin begins the lookup of n.
func (c *commandLine) begin(n *lane, now time.Duration) (simple bool) {
	if mem.names.config.NServers == 0 && rawsys.ReadConfig(&mem.names.config, mem.names.configText[:], mem.localDomain, mem.resOptions) != 0 {
		return false
	}
	first, second := uint16(stub.TypeAAAA), uint16(stub.TypeA)
	switch {
	case c.only4:
		first, second = stub.TypeA, 0
	case c.only6:
		second = 0
	}
	n.Config, n.Health, n.asking = &mem.names.config, &mem.names.health, true
	n.Lookup.Init(&mem.names.config, &mem.names.health, n.name, false, first, second, rawsys.Random(), now)
	return !mem.names.config.UseVC
}

// ask does what is due in the lookup of n.
func (c *commandLine) ask(n *lane, now time.Duration) (simple bool) {
	for {
		p, ok := n.Send(now)
		if !ok {
			break
		}
		rawsys.Send(&n.Exchange, p, now)
	}
	for {
		r, ok := n.Result(now)
		if !ok {
			break
		}
		if r.More || r.Replaces { // a server is slow, and another was asked
			return false
		}
		if r.Server >= 0 {
			n.Records(&mem.names.records, r.Question, n.Messages[r.Question&1][min(uint(r.Server), stub.MaxServers-1)])
			for mem.names.records.Next() {
				if !c.add(n, &mem.names.records.Addr) {
					return false
				}
			}
		}
		n.answered[r.Question&1] = true
	}
	both := !c.only4 && !c.only6
	n.asking = !n.answered[0] || both && !n.answered[1]
	awaitsAAAA := both && !n.answered[0]
	awaitsA := both && !n.answered[1] && n.count6 > 0 && n.prefersIPv4()
	switch {
	case n.count == 0:
	case !awaitsAAAA && !awaitsA:
		n.startAt = min(n.startAt, now)
	case n.startAt == 0 && (awaitsA || hasRoute(&farIPv6)):
		n.startAt = now + stub.ResolutionDelay
	}
	return true
}

// add makes a one of n's addresses, if it can be a host's and is of the family that was
// asked for. It returns false if the runtime has to go on: a link-local address needs an
// interface.
func (c *commandLine) add(n *lane, a *stub.Addr) (simple bool) {
	if a.Is4 && c.only6 || !a.Is4 && c.only4 || !a.CanBeHost() {
		return true
	}
	if a.Zone[0] != 0 || !a.Is4 && a.IP[0] >= 0xfe {
		return false
	}
	for i := range n.addrs {
		if i < n.count && n.addrs[i] == *a {
			return true
		}
	}
	i := n.count
	if uint(i) >= maxAddrs {
		return false
	}
	n.addrs[i] = *a
	n.count++
	if !a.Is4 {
		n.count6++
	}
	return true
}

// prefersIPv4 reports whether an IPv4 address that may still come would go before those
// of n, as in package engine.
func (n *lane) prefersIPv4() bool {
	i := n.count
	if uint(i) > maxAddrs || !hasRoute(&farIPv4) {
		return false
	}
	n.addrs[i] = farIPv4
	n.count++
	first := n.firstAddr()
	n.count--
	return first.Is4
}

// firstAddr returns the first of n's addresses in the order of RFC 6724, IPv6 first
// among equals.
func (n *lane) firstAddr() stub.Addr {
	count := 0
	for _, is4 := range [2]bool{false, true} {
		for i := range n.addrs {
			if i < n.count && n.addrs[i].Is4 == is4 && uint(count) < uint(len(mem.names.dests)) {
				mem.names.dests[count].Addr = n.addrs[i]
				count++
			}
		}
	}
	if n.count6 > 0 && n.count6 < n.count && !mem.names.policyRead { // it matters only between families
		rawsys.ReadPolicy(&mem.names.policy, buffer())
		mem.names.policyRead = true
	}
	if count > 1 && count <= len(mem.names.dests) {
		for i := range mem.names.dests[:count] {
			d := &mem.names.dests[i]
			d.HasSource = rawsys.Source(&d.Addr, &d.Source, "")
		}
		mem.names.policy.Sort(mem.names.dests[:count])
	}
	return mem.names.dests[0].Addr
}

// hasRoute reports whether there is a route to a.
func hasRoute(a *stub.Addr) bool {
	var source stub.Addr
	return rawsys.Source(a, &source, "")
}

// pollServers lists the sockets to name servers for poll.
func pollServers() {
	for i := range mem.lanes {
		n := &mem.lanes[i]
		for q := range 2 {
			for j := range stub.MaxServers {
				fd := -1
				if n.lookup != nil && n.FDs[q][j] != 0 {
					fd = n.FDs[q][j]
				}
				mem.polls.servers[i][q][j] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
			}
		}
	}
}

// receive reads what name servers have sent. It returns false if an answer is truncated
// or there is no room.
func receive(now time.Duration) (simple bool) {
	for i := range mem.lanes {
		n := &mem.lanes[i]
		if n.lookup == nil {
			continue
		}
		for q := range 2 {
			for j := range stub.MaxServers {
				b := buffer()
				if mem.polls.servers[i][q][j].Revents == 0 {
					continue
				}
				if len(b) < 1<<16 {
					return false
				}
				m, kept, _ := rawsys.Receive(&n.Exchange, q, j, b, now)
				if kept >= 0 {
					mem.names.inboxLen += len(m)
				}
				if len(m) > 2 && m[2]&0x02 != 0 { // TC
					return false
				}
			}
		}
	}
	return true
}
