//go:build amd64 || arm64

package prestart

import (
	"syscall"
	"time"
	"unsafe"

	"fdrace/internal/rawsys"
	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// receiveWindow is package mptcp's.
const receiveWindow = 1 << 20

// A lane is a target on its way through the race, as in package engine. It has at most
// one attempt, because the second is due after Patience.
type lane struct {
	target
	fd      int           // the attempt, or -1
	at      time.Duration // when it was begun
	started bool          // there is or was an attempt, maybe another lane's

	*lookup // of a name
}

// mem is all the memory of this package. It is one variable so that it is in as few pages
// as possible: each costs a page fault.
var mem struct {
	begun, disabled         bool   // the program began here; FDRACE_PRESTART=0
	localDomain, resOptions string // environment variables of resolv.conf(5)

	argv    [maxArgs]string
	cmdline commandLine
	began   unix.Timespec // of CLOCK_MONOTONIC
	lanes   [maxTargets]lane
	polls   pollList
	names   nameMemory
}

// A pollList is the list for poll(2). The sockets of names are listed only if there are
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

// race begins an attempt at each target, as soon as it has an address. If one succeeds
// the process ends.
func race(c *commandLine) {
	mem.began = monotonic()
	polls := uintptr(withoutNames)
	mem.polls.stdout.Fd = stdout
	retry := false // an attempt has failed, and the runtime can try something else
	for i := range mem.lanes {
		n := &mem.lanes[i]
		n.fd, mem.polls.attempts[i].Fd = -1, -1
		if i >= c.n {
			continue
		}
		if n.target = c.targets[i]; n.name != "" {
			n.lookup = &mem.names.lookups[i]
			polls = withoutNames + uintptr(c.n)*perName
		} else {
			retry = c.start(i, 0) || retry
		}
	}
	if polls > withoutNames && !c.findNames(0) {
		return
	}
	for now := time.Duration(0); ; {
		due, alive, failed, simple := c.step(now)
		if retry = retry || failed; !simple || !alive || due <= now && !retry {
			return
		}
		if retry { // take only what is there already
			due = now
		}
		if polls > withoutNames {
			pollServers()
		}
		wait := unix.Timespec{Nsec: int64(due - now)}
		ready, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&mem.polls)), polls, uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
		if e != 0 || mem.polls.stdout.Revents != 0 || retry && ready == 0 {
			return // the runtime will see why
		}
		for i := range mem.polls.attempts {
			p := &mem.polls.attempts[i]
			switch p.Revents {
			case 0:
				continue
			case unix.POLLOUT:
				if c.handOver(i) {
					syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
				}
				retry = true // the runtime will see what is wrong
			default:
				retry = c.canRetry(i) || retry // the runtime will report the error
			}
			p.Fd = -1
		}
		if now = sinceBegan(); polls > withoutNames && !receive(now) {
			return
		}
	}
}

// step does what is due at now. It returns when there will be more to do, whether
// anything is under way, and whether an attempt has failed. simple is false if the
// runtime has to go on.
func (c *commandLine) step(now time.Duration) (due time.Duration, alive, failed, simple bool) {
	due = Patience
	asking := false
	for i := range mem.lanes {
		n := &mem.lanes[i]
		if n.lookup != nil {
			if n.asking {
				if !c.ask(n, now) {
					return due, alive, failed, false
				}
				due = min(due, n.Due(now))
			}
			switch {
			case n.started || n.count == 0:
			case n.startAt <= now:
				n.addr = n.firstAddr()
				// Loopback, and what is on a link, has a source in any case.
				if n.addr.Is4 && mem.names.noRoute4 && !hasRoute(&n.addr) {
					return due, alive, failed, false
				}
				failed = c.start(i, now) || failed
			case n.startAt >= Patience:
				return due, alive, failed, false
			default:
				due = min(due, n.startAt)
			}
			asking = asking || n.asking
		}
		alive = alive || mem.polls.attempts[i].Fd >= 0
	}
	if asking && !c.only4 && !c.only6 {
		if !mem.names.routeChecked { // not before the questions are sent
			mem.names.routeChecked, mem.names.noRoute4 = true, !hasRoute(&farIPv4)
		}
		if mem.names.noRoute4 {
			due = min(due, nat64Patience)
		}
	}
	return due, alive || asking, failed, true
}

// start begins an attempt at lane i, unless there is one to the same address. It
// reports whether it has failed and canRetry.
func (c *commandLine) start(i int, now time.Duration) (failed bool) {
	n := &mem.lanes[i&(maxTargets-1)]
	for j := range mem.lanes {
		if o := &mem.lanes[j]; o.started && o.addr == n.addr {
			n.started = true
			return false
		}
	}
	n.started, n.at = true, now
	n.fd = c.connect(&n.addr)
	mem.polls.attempts[i&(maxTargets-1)] = unix.PollFd{Fd: int32(n.fd), Events: unix.POLLOUT}
	return n.fd < 0 && c.canRetry(i)
}

// canRetry reports whether the runtime can try something else when the attempt of lane
// i has failed: plain TCP, another address, or NAT64.
func (c *commandLine) canRetry(i int) bool {
	n := &mem.lanes[i&(maxTargets-1)]
	return c.mptcp || n.name != "" || n.addr.Is4
}

// connect returns a socket that is connecting to a, or -1.
func (c *commandLine) connect(a *stub.Addr) (fd int) {
	protocol := 0
	if c.mptcp {
		protocol = unix.IPPROTO_MPTCP
	}
	fd, e := rawsys.Socket(a, unix.SOCK_STREAM, protocol)
	if e != 0 {
		return -1
	}
	// holdAck of package engine. One address alone cannot lose here: if it has not
	// answered when the runtime takes over, that holds the ACK back.
	if c.n > 1 {
		rawsys.SetOption(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	}
	// A local firewall's ICMP error is in SO_ERROR: see underWay of package engine.
	if rawsys.Connect(fd, a, c.port) != 0 || rawsys.Option(fd, unix.SO_ERROR) > 0 || isNoWayOut(fd, a) {
		rawsys.Close(fd)
		return -1
	}
	return fd
}

// isNoWayOut is package engine's: IPv4 from a link-local address leads nowhere.
func isNoWayOut(fd int, to *stub.Addr) bool {
	if !to.Is4 || to.IsLinkLocal() {
		return false
	}
	var self stub.Addr
	rawsys.LocalAddr(fd, &self)
	return self.IsLinkLocal()
}

// handOver makes of the attempt of lane i, which has connected, what engine.Winner.FD
// promises, and passes it to ssh.
func (c *commandLine) handOver(i int) bool {
	fd := mem.lanes[i&(maxTargets-1)].fd
	var self stub.Addr
	if port, e := rawsys.LocalAddr(fd, &self); e != 0 || port == c.port {
		return false // it may have connected to itself
	}
	if c.n > 1 {
		dropOthers(i)
		rawsys.SetOption(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
	// An ICMP error that has come since is a hint, and not for ssh to find.
	rawsys.Option(fd, unix.SO_ERROR)
	rawsys.SetOption(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	rawsys.SetOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if c.mptcp { // mptcp.GrowReceiveBuffer
		rawsys.SetOption(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, receiveWindow)
		rawsys.SetOption(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	}
	syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, 0) // it blocks
	return pass(fd)
}

// pass sends fd to ssh as fdpass.Send does: one NUL byte and, in a control message, one
// descriptor. It tries once: after an error, EINTR included, the runtime calls
// fdpass.Send.
func pass(fd int) bool {
	nul := byte(0)
	data := unix.Iovec{Base: &nul, Len: 1}
	rights := struct {
		unix.Cmsghdr
		fd [2]int32 // one, and padding
	}{unix.Cmsghdr{Len: unix.SizeofCmsghdr + 4, Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}, [2]int32{int32(fd)}}
	message := unix.Msghdr{Iov: &data, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&rights)), Controllen: uint64(unsafe.Sizeof(rights))}
	n, _, _ := syscall.RawSyscall(unix.SYS_SENDMSG, stdout, uintptr(unsafe.Pointer(&message)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return n == 1
}

// dropOthers closes all attempts but that of lane winner, as Close of package engine
// does with plain TCP. It comes before ssh is woken, which on a busy machine runs in
// our place, for longer than the ACK of one that has connected can be held back.
func dropOthers(winner int) {
	linger := unix.Linger{Onoff: 1}
	for i := range mem.lanes {
		if n := &mem.lanes[i]; i != winner && n.fd >= 0 {
			syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(n.fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
			rawsys.Close(n.fd)
			n.fd, mem.polls.attempts[i] = -1, unix.PollFd{Fd: -1}
		}
	}
}

func monotonic() (t unix.Timespec) {
	syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&t)), 0)
	return t
}

// sinceBegan returns the time since the race began.
func sinceBegan() time.Duration {
	t := monotonic()
	return time.Duration(t.Sec-mem.began.Sec)*time.Second + time.Duration(t.Nsec-mem.began.Nsec)
}
