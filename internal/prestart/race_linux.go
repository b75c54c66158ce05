//go:build amd64 || arm64

package prestart

import (
	"syscall"
	"time"
	"unsafe"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long an answer is waited for without the runtime. By then
	// nothing but waiting has to be done: what comes first, at --delay, is the next
	// address of a name, or the plain twin of an MPTCP attempt.
	patience = 200 * time.Millisecond

	// resolutionDelay is package engine's.
	resolutionDelay = 50 * time.Millisecond

	// receiveWindow is package mptcp's.
	receiveWindow = 1 << 20
)

// A lane is a target on its way through the race, as in package engine: at most one
// attempt, because the second at one target is due after patience.
type lane struct {
	target
	fd      int32         // the attempt, or -1
	at      time.Duration // when it was begun
	started bool          // there was or is an attempt, maybe another lane's

	*lookup // of a name
}

// A lookup is that of a name.
type lookup struct {
	stub.Exchange // Config is nil if no name server was asked
	asking        bool
	answered      [2]bool
	six, four     addrs
	until         time.Duration // when the first attempt may start
}

// maxAddrs is how many addresses a name may have. More are for the runtime.
const maxAddrs = 8

// addrs are addresses of one family.
type addrs struct {
	list [maxAddrs]stub.Addr
	n    int
}

// What the kernel is handed is here: on the stack the compiler would have to be
// sure that nobody keeps it, or else take it from the heap. All is in one variable,
// so that it is in as few pages as can be: each costs a page fault.
var mem struct {
	words [maxTargets + 6]string // room for a few flags and a port
	found line
	lanes [maxTargets]lane
	polls pollList
	since unix.Timespec // the beginning, of CLOCK_MONOTONIC
	clock unix.Timespec
	wait  unix.Timespec

	sa4    unix.RawSockaddrInet4
	sa6    unix.RawSockaddrInet6
	self   unix.RawSockaddrInet6
	self4  unix.RawSockaddrInet4
	value  int32
	length uint32
	linger unix.Linger

	// The message that ssh takes: one NUL byte, and in a control message one
	// descriptor (package fdpass).
	message unix.Msghdr
	iov     unix.Iovec
	nul     byte
	rights  struct {
		unix.Cmsghdr
		fd [2]int32 // one, and what fills the word
	}
}

// A pollList is what poll(2) is given: it goes on to the sockets of names if there are
// any.
type pollList struct {
	attempts [maxTargets]unix.PollFd
	stdout   unix.PollFd
	servers  [maxTargets][2][stub.MaxServers]unix.PollFd
}

const (
	withoutNames = maxTargets + 1
	perName      = 2 * stub.MaxServers
)

// race begins an attempt at each target, as soon as it has an address. If one
// succeeds the process ends.
func race(l *line) {
	call(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&mem.since)), 0)
	now := time.Duration(0)
	listed := uintptr(withoutNames)
	more := false
	mem.polls.stdout.Fd = stdout
	for i := range mem.lanes {
		mem.polls.attempts[i].Fd = -1
		if i >= l.n {
			continue
		}
		n := &mem.lanes[i]
		n.target, n.fd = l.targets[i], -1
		if n.name != "" {
			n.lookup = &names.lookups[i]
			listed = withoutNames + uintptr(l.n)*perName
		} else {
			more = l.start(i, now) || more
		}
	}
	if listed > withoutNames && !l.findNames(now) {
		return
	}
	for {
		due, alive, asking := patience, false, false
		for i := range mem.lanes {
			if i >= l.n {
				break
			}
			n := &mem.lanes[i]
			alive = alive || mem.polls.attempts[i].Fd >= 0
			if n.lookup == nil {
				continue
			}
			if n.asking {
				if !l.ask(n, now) {
					return
				}
				due = min(due, n.Due(now))
			}
			switch {
			case n.started || n.six.n+n.four.n == 0:
			case n.until <= now:
				n.first()
				// Loopback, and what is on a link, has a source in any case.
				if n.addr.Is4 && l.wantsPrefix && !source(&n.addr, &names.dests[0].Source) {
					return
				}
				more = l.start(i, now) || more
				alive = alive || n.fd >= 0
			case n.until >= patience:
				return
			default:
				due = min(due, n.until)
			}
			asking = asking || n.asking
			alive = alive || n.asking
		}
		if asking && !l.only4 && !l.only6 {
			if !l.looked { // when the questions are out
				l.looked, l.wantsPrefix = true, !source(&far4, &names.dests[0].Source)
			}
			if l.wantsPrefix {
				due = min(due, nat64Patience)
			}
		}
		if !alive || due <= now && !more {
			return
		}
		if listed > withoutNames {
			pollServers(l.n)
		}
		if more { // than to wait: what is there already
			due = now
		}
		mem.wait = unix.Timespec{Nsec: int64(due - now)}
		ready, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&mem.polls)), listed, uintptr(unsafe.Pointer(&mem.wait)), 0, 0, 0)
		if e != 0 || mem.polls.stdout.Revents != 0 || more && ready == 0 {
			return // the runtime will see why
		}
		for i := range mem.polls.attempts {
			p := &mem.polls.attempts[i]
			switch p.Revents {
			case 0:
				continue
			case unix.POLLOUT:
				if l.handOver(i) {
					call(unix.SYS_EXIT_GROUP, 0, 0, 0)
				}
				more = true // the runtime will see what is wrong
			default:
				more = l.more(i) || more // it has failed, which the runtime will tell
			}
			p.Fd = -1
		}
		if now = elapsed(); listed > withoutNames && !receive(l.n, now) {
			return
		}
	}
}

// start begins an attempt at lane i, unless there is one at its address. It returns
// whether it has failed, and there is more to try.
func (l *line) start(i int, now time.Duration) (more bool) {
	n := &mem.lanes[i&(maxTargets-1)]
	for j := range mem.lanes {
		if o := &mem.lanes[j]; j < l.n && o.started && o.addr.Is4 == n.addr.Is4 && o.addr.IP == n.addr.IP {
			n.started = true
			return false
		}
	}
	n.started, n.at = true, now
	n.fd = l.connect(&n.addr)
	mem.polls.attempts[i&(maxTargets-1)] = unix.PollFd{Fd: n.fd, Events: unix.POLLOUT}
	return n.fd < 0 && l.more(i)
}

// more reports whether there is something to try when the attempt of lane i has
// failed: its plain twin, another address, or a way to an IPv4 address through NAT64.
func (l *line) more(i int) bool {
	n := &mem.lanes[i&(maxTargets-1)]
	return l.mptcp || n.name != "" || n.addr.Is4
}

// elapsed is the time since the race began.
func elapsed() time.Duration {
	call(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&mem.clock)), 0)
	return time.Duration(mem.clock.Sec-mem.since.Sec)*time.Second + time.Duration(mem.clock.Nsec-mem.since.Nsec)
}

// setPeer makes a sockaddr of a and port.
func setPeer(a *stub.Addr, port uint16) (domain uintptr, sa unsafe.Pointer, size uintptr) {
	if a.Is4 {
		mem.sa4.Family, mem.sa4.Port = unix.AF_INET, port>>8|port<<8
		for i := range mem.sa4.Addr {
			mem.sa4.Addr[i] = a.IP[i]
		}
		return unix.AF_INET, unsafe.Pointer(&mem.sa4), unsafe.Sizeof(mem.sa4)
	}
	mem.sa6.Family, mem.sa6.Port = unix.AF_INET6, port>>8|port<<8
	mem.sa6.Addr = a.IP
	return unix.AF_INET6, unsafe.Pointer(&mem.sa6), unsafe.Sizeof(mem.sa6)
}

// socket returns a non-blocking, close-on-exec socket, or -1.
func socket(domain, kind, protocol uintptr) int32 {
	fd, e := call(unix.SYS_SOCKET, domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if e != 0 {
		return -1
	}
	if fd <= 2 { // one of the first three is missing, which the runtime opens
		closeFD(int32(fd))
		return -1
	}
	return int32(fd)
}

func closeFD(fd int32) { call(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// connect returns a descriptor with a connection under way, or -1.
func (l *line) connect(a *stub.Addr) int32 {
	protocol := uintptr(0)
	if l.mptcp {
		protocol = unix.IPPROTO_MPTCP
	}
	domain, sa, size := setPeer(a, l.port)
	fd := socket(domain, unix.SOCK_STREAM, protocol)
	if fd < 0 {
		return -1
	}
	// holdAck of package engine. One address alone cannot lose here: if nobody has
	// answered when the runtime takes over, that holds the ACK back.
	if l.n > 1 {
		setOption(uintptr(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	}
	_, e := call(unix.SYS_CONNECT, uintptr(fd), uintptr(sa), size)
	// A local firewall's ICMP error is in SO_ERROR: see underWay of package engine.
	if e != 0 && e != unix.EINPROGRESS || option(uintptr(fd), unix.SO_ERROR) > 0 || isNoWayOut(fd, a) {
		closeFD(fd)
		return -1
	}
	return fd
}

// isNoWayOut is package engine's.
func isNoWayOut(fd int32, to *stub.Addr) bool {
	if !to.Is4 || to.IP[0] == 127 || to.IsLinkLocal() {
		return false
	}
	mem.length = uint32(unsafe.Sizeof(mem.self4))
	call(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&mem.self4)), uintptr(unsafe.Pointer(&mem.length)))
	return mem.self4.Addr[0] == 169 && mem.self4.Addr[1] == 254
}

// handOver makes what engine.Winner.FD promises of an attempt that has connected,
// and passes it.
func (l *line) handOver(winner int) bool {
	fd := uintptr(mem.lanes[winner&(maxTargets-1)].fd)
	mem.length = uint32(unsafe.Sizeof(mem.self))
	_, e := call(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&mem.self)), uintptr(unsafe.Pointer(&mem.length)))
	if e != 0 || mem.self.Port == l.port>>8|l.port<<8 { // IPv4 has its port there, too
		return false // it may have met itself
	}
	if l.n > 1 {
		l.dropOthers(winner)
		setOption(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
	// An ICMP error that has come since is a hint, and not for ssh to find.
	option(fd, unix.SO_ERROR)
	setOption(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	setOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if l.mptcp { // mptcp.GrowReceiveBuffer
		setOption(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, receiveWindow)
		setOption(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	}
	call(unix.SYS_FCNTL, fd, unix.F_SETFL, 0) // it blocks
	mem.iov = unix.Iovec{Base: &mem.nul, Len: 1}
	mem.rights.Cmsghdr = unix.Cmsghdr{Len: unix.SizeofCmsghdr + 4, Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}
	mem.rights.fd[0] = int32(fd)
	mem.message = unix.Msghdr{Iov: &mem.iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&mem.rights)), Controllen: uint64(unsafe.Sizeof(mem.rights))}
	n, _ := call(unix.SYS_SENDMSG, stdout, uintptr(unsafe.Pointer(&mem.message)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return n == 1
}

// dropOthers closes all attempts but the winner, as Close of package engine does
// with plain TCP: before anything else, and before ssh is woken, which on a busy
// machine runs in our place, for longer than the ACK of one that has connected can
// be held back.
func (l *line) dropOthers(winner int) {
	mem.linger.Onoff = 1
	for i := range mem.lanes {
		if n := &mem.lanes[i]; i < l.n && i != winner && n.fd >= 0 {
			syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(n.fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&mem.linger)), unsafe.Sizeof(mem.linger), 0)
			closeFD(n.fd)
			n.fd, mem.polls.attempts[i] = -1, unix.PollFd{Fd: -1}
		}
	}
}

// option returns an option of level SOL_SOCKET, or -1.
func option(fd, name uintptr) int32 {
	mem.value, mem.length = -1, 4
	syscall.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, name, uintptr(unsafe.Pointer(&mem.value)), uintptr(unsafe.Pointer(&mem.length)), 0)
	return mem.value
}

func setOption(fd, level, name uintptr, to int32) {
	mem.value = to
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, fd, level, name, uintptr(unsafe.Pointer(&mem.value)), 4, 0)
}

func call(trap, a, b, c uintptr) (uintptr, syscall.Errno) {
	r, _, e := syscall.RawSyscall(trap, a, b, c)
	return r, e
}
