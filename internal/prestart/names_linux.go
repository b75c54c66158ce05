//go:build amd64 || arm64

package prestart

import (
	"syscall"
	"time"
	"unsafe"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// The names of a race, by package stub. The rules are those of package engine
// (answers.go, names_linux.go), for one address of each name.

// nat64Patience is how long names are waited for where there is no route to IPv4:
// there the runtime asks beside them what the NAT64 is.
const nat64Patience = time.Millisecond

// Files, and where name servers listen. Tests have others.
var (
	hostsPath  = "/etc/hosts\x00"
	resolvPath = "/etc/resolv.conf\x00"
	gaiPath    = "/etc/gai.conf\x00"
	dnsPort    = uint16(53)
)

// names is mem for lookups.
var names struct {
	config     stub.Config
	health     stub.Health
	hosts      stub.Hosts
	records    stub.Answer
	seed       [8]byte
	inboxLen   int
	host       unix.Utsname
	policyRead bool
	lookups    [maxTargets]lookup
	dests      [16]stub.Dest
	policy     stub.Policy
	fileText   [64<<10 + 1]byte // of /etc/hosts, then of /etc/gai.conf
	configText [32 << 10]byte   // of /etc/resolv.conf, into which config points
	inbox      [128 << 10]byte  // messages, one after another
}

var newline = [1]byte{'\n'}

var (
	loopback6 = stub.Addr{IP: [16]byte{15: 1}}
	loopback4 = stub.Addr{IP: [16]byte{127, 0, 0, 1}, Is4: true}
)

// Addresses of the root name server A, as in package engine. Nothing is sent.
var (
	far4 = stub.Addr{IP: [16]byte{198, 41, 0, 4}, Is4: true}
	far6 = stub.Addr{IP: [16]byte{0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 13: 0x02, 15: 0x30}}
)

// findNames looks for each name in /etc/hosts, and begins the lookups of the others.
// It returns false where something is for the runtime.
func (l *line) findNames(now time.Duration) (simple bool) {
	for _, fd := range [...]uintptr{0, 2} {
		if _, e := call(unix.SYS_FCNTL, fd, unix.F_GETFD, 0); e != 0 {
			return false // it is closed, and the next socket would be it: the runtime opens it
		}
	}
	text, ok := readFile(hostsPath, names.fileText[:])
	if !ok {
		return false
	}
	for i := range mem.lanes {
		n := &mem.lanes[i]
		if n.name == "" {
			continue
		}
		inFile := false
		names.hosts.Init(n.name)
		for b := text; ; {
			last := len(b) == 0
			if last {
				b = newline[:]
			}
			for len(b) > 0 {
				m, found := names.hosts.Scan(b)
				if b = stub.Cut(b, m, len(b)); !found {
					continue
				}
				inFile = true
				if !l.add(n, &names.hosts.Addr) {
					return false
				}
			}
			if last {
				break
			}
		}
		switch {
		case inFile:
		case stub.IsLocalhost(n.name): // RFC 6761 section 6.3
			l.add(n, &loopback6)
			l.add(n, &loopback4)
		case !l.begin(n, now):
			return false
		}
	}
	return true
}

// begin begins the lookup of n.
func (l *line) begin(n *lane, now time.Duration) (simple bool) {
	if names.config.NServers == 0 && !l.readConfig() {
		return false
	}
	r, ok := random()
	if !ok {
		return false
	}
	first, second := uint16(stub.TypeAAAA), uint16(stub.TypeA)
	switch {
	case l.only4:
		first, second = stub.TypeA, 0
	case l.only6:
		second = 0
	}
	n.Config, n.Health, n.asking = &names.config, &names.health, true
	n.Lookup.Init(&names.config, &names.health, n.name, false, first, second, r, now)
	return true
}

func (l *line) readConfig() (simple bool) {
	text, ok := readFile(resolvPath, names.configText[:])
	if !ok {
		return false
	}
	call(unix.SYS_UNAME, uintptr(unsafe.Pointer(&names.host)), 0, 0)
	end := 0
	for i := range names.host.Nodename {
		if names.host.Nodename[i] == 0 {
			break
		}
		end = i + 1
	}
	names.config.Parse(stub.Text(text), localDomain, resOptions, stub.Text(stub.Cut(names.host.Nodename[:], 0, end)))
	for i := range names.config.Servers {
		if names.config.Servers[i].Zone[0] != 0 { // an interface has to be looked up
			return false
		}
	}
	if names.config.Rotate {
		r, ok := random()
		if !ok {
			return false
		}
		names.config.RotateBy(int(r >> 1))
	}
	return !names.config.UseVC
}

// ask does what is due of the lookup of n.
func (l *line) ask(n *lane, now time.Duration) (simple bool) {
	for {
		p, ok := n.Send(now)
		if !ok {
			break
		}
		n.send(p, now)
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
			n.Records(&names.records, r.Question, n.Messages[r.Question&1][min(uint(r.Server), stub.MaxServers-1)])
			for names.records.Next() {
				if !l.add(n, &names.records.Addr) {
					return false
				}
			}
		}
		n.answered[r.Question&1] = true
	}
	both := !l.only4 && !l.only6
	n.asking = !n.answered[0] || both && !n.answered[1]
	awaits6 := both && !n.answered[0]
	awaits4 := both && !n.answered[1] && n.six.n > 0 && n.prefersIPv4()
	switch {
	case n.six.n+n.four.n == 0:
	case !awaits6 && !awaits4:
		n.until = min(n.until, now)
	case n.until == 0 && (awaits4 || source(&far6, &names.dests[0].Source)):
		n.until = now + resolutionDelay
	}
	return true
}

// add makes a one of n's addresses, if it can be a host's and is of the family that
// is asked for. A link-local one needs an interface.
func (l *line) add(n *lane, a *stub.Addr) (simple bool) {
	if a.Is4 && l.only6 || !a.Is4 && l.only4 || !a.CanBeHost() {
		return true
	}
	if a.Zone[0] != 0 || !a.Is4 && a.IP[0] >= 0xfe {
		return false
	}
	to := &n.six
	if a.Is4 {
		to = &n.four
	}
	for i := range to.list {
		if i < to.n && to.list[i].IP == a.IP {
			return true
		}
	}
	if i := to.n; n.six.n+n.four.n < maxAddrs && uint(i) < maxAddrs {
		to.list[i] = *a
		to.n++
		return true
	}
	return false
}

// first makes n.addr the first of its addresses, by RFC 6724.
func (n *lane) first() {
	n.sort(nil)
	n.addr = names.dests[0].Addr
}

// prefersIPv4 reports whether an IPv4 address that may still come would go before
// those of n, as in package engine.
func (n *lane) prefersIPv4() bool {
	if !source(&far4, &names.dests[0].Source) {
		return false
	}
	n.sort(&far4)
	return names.dests[0].Addr.Is4
}

// sort puts the addresses of n, and other if it is not nil, into dests, in the order
// of RFC 6724.
func (n *lane) sort(other *stub.Addr) {
	count := 0
	for i := range n.six.list {
		if i < n.six.n {
			names.dests[count&15].Addr = n.six.list[i]
			count++
		}
	}
	for i := range n.four.list {
		if i < n.four.n {
			names.dests[count&15].Addr = n.four.list[i]
			count++
		}
	}
	if other != nil {
		names.dests[count&15].Addr = *other
		count++
	}
	if n.six.n > 0 && (n.four.n > 0 || other != nil) && !names.policyRead { // which matters between families alone
		text, _ := readFile(gaiPath, names.fileText[:])
		names.policy.Parse(stub.Text(text))
		names.policyRead = true
	}
	if count > 1 && count <= len(names.dests) {
		for i := range names.dests {
			if d := &names.dests[i]; i < count {
				d.HasSource = source(&d.Addr, &d.Source)
			}
		}
		names.policy.Sort(names.dests[:count])
	}
}

// source sets from to the address from which to would be connected to, as in package
// race. It returns false if there is no route.
func source(to, from *stub.Addr) bool {
	*from = stub.Addr{}
	domain, sa, size := setPeer(to, dnsPort)
	fd := socket(domain, unix.SOCK_DGRAM, 0)
	if fd < 0 {
		return false
	}
	name := unsafe.Pointer(&mem.self)
	if to.Is4 {
		name = unsafe.Pointer(&mem.self4)
	}
	_, e := call(unix.SYS_CONNECT, uintptr(fd), uintptr(sa), size)
	if e == 0 {
		mem.length = uint32(unsafe.Sizeof(mem.self))
		_, e = call(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(name), uintptr(unsafe.Pointer(&mem.length)))
	}
	closeFD(fd)
	if e != 0 {
		return false
	}
	if !to.Is4 {
		from.IP = mem.self.Addr
		return true
	}
	from.Is4 = true
	copy(from.IP[:], mem.self4.Addr[:])
	if from.IsLinkLocal() && !to.IsLinkLocal() { // RFC 3927 section 2.7
		*from = stub.Addr{}
		return false
	}
	return true
}

// send sends a question. Where no descriptor is left it counts as lost.
func (n *lane) send(p stub.Packet, now time.Duration) {
	fd := &n.FDs[p.Question&1][min(uint(p.Server), stub.MaxServers-1)]
	if *fd == 0 {
		domain, sa, size := setPeer(&names.config.Servers[min(uint(p.Server), stub.MaxServers-1)], dnsPort)
		s := socket(domain, unix.SOCK_DGRAM, 0)
		if s < 0 {
			return
		}
		*fd = int(s)
		if _, e := call(unix.SYS_CONNECT, uintptr(s), uintptr(sa), size); e != 0 {
			n.lost(fd, p.Question, p.Server, e, now)
			return
		}
	}
	q := n.Query(p.Question)
	if _, e := call(unix.SYS_WRITE, uintptr(*fd), uintptr(unsafe.Pointer(unsafe.SliceData(q))), uintptr(len(q))); e != 0 {
		n.lost(fd, p.Question, p.Server, e, now)
	}
}

// lost takes an error of a socket to a name server.
func (n *lane) lost(fd *int, question, server int, e syscall.Errno, now time.Duration) {
	why := stub.Unreachable
	switch e {
	case unix.EAGAIN, unix.EINTR, unix.ENOBUFS:
		return // lost, as a datagram may be
	case unix.ECONNREFUSED:
		why = stub.PortClosed
	}
	closeFD(int32(*fd))
	*fd = 0
	n.Fail(question, server, why, now)
}

// pollServers lists the sockets to name servers.
func pollServers(targets int) {
	for i := range mem.lanes {
		if i >= targets {
			break
		}
		n := &mem.lanes[i]
		for j := range &mem.polls.servers[i] {
			for k := range &mem.polls.servers[i][j] {
				fd := int32(-1)
				if n.lookup != nil && n.FDs[j][k] != 0 {
					fd = int32(n.FDs[j][k])
				}
				mem.polls.servers[i][j][k] = unix.PollFd{Fd: fd, Events: unix.POLLIN}
			}
		}
	}
}

// receive reads what has come from name servers. It returns false where an answer is
// truncated, or there is no stackgrow.
func receive(targets int, now time.Duration) (simple bool) {
	for i := range mem.lanes {
		if i >= targets {
			break
		}
		n := &mem.lanes[i]
		if n.lookup == nil {
			continue
		}
		for j := range n.FDs {
			for k := range n.FDs[j] {
				fd := &n.FDs[j][k]
				if *fd == 0 || mem.polls.servers[i][j][k].Revents == 0 {
					continue
				}
				b := stub.Cut(names.inbox[:], names.inboxLen, len(names.inbox))
				if len(b) < 1<<16 {
					return false
				}
				m, e := call(unix.SYS_READ, uintptr(*fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
				if e != 0 {
					n.lost(fd, j, k, e, now)
					continue
				}
				b = stub.Cut(b, 0, int(m))
				q, keep := n.Answer(k, b, false, now)
				if keep {
					n.Messages[q&1][k] = b
					names.inboxLen += len(b)
				}
				if q >= 0 && len(b) > 2 && b[2]&0x02 != 0 { // TC
					return false
				}
			}
		}
	}
	return true
}

// random makes identifiers of questions hard to guess.
func random() (r uint64, ok bool) {
	n, _ := call(unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(&names.seed)), unsafe.Sizeof(names.seed), 0)
	for i := range names.seed {
		r = r<<8 | uint64(names.seed[i])
	}
	return r, n == unsafe.Sizeof(names.seed)
}

// readFile reads a file; one that cannot be read is empty. ok is false if b has no
// room for it.
func readFile(path string, b []byte) (text []byte, ok bool) {
	const atCWD = ^uintptr(99) // AT_FDCWD
	fd, _, e := syscall.RawSyscall6(unix.SYS_OPENAT, atCWD, uintptr(unsafe.Pointer(unsafe.StringData(path))), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if e != 0 { // for want of a descriptor it is not as if there were no such file
		return nil, e != unix.EMFILE && e != unix.ENFILE
	}
	n := 0
	for {
		rest := stub.Cut(b, n, len(b))
		if len(rest) == 0 {
			break
		}
		m, e := call(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 || m == 0 {
			ok = true
			break
		}
		n += int(m)
	}
	closeFD(int32(fd))
	return stub.Cut(b, 0, n), ok
}
