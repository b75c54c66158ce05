//go:build amd64 || arm64

package prestart

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Link is what the linker is told, so that the program begins here.
const Link = "-E _fdrace_linux"

// patience is how long an answer is waited for without the runtime. It is there
// before anything but waiting has to be done: first, at --delay, the plain twin
// of an MPTCP attempt.
const patience = 200 * time.Millisecond

// receiveWindow is package mptcp's.
const receiveWindow = 1 << 20

// Environment variables: FDRACE_LOG=FILE asks for a log, and FDRACE_PRESTART=0 to
// begin with the runtime.
const (
	logEnv      = "FDRACE_LOG="
	prestartEnv = "FDRACE_PRESTART="
)

const stdout = 1

// What the kernel is handed is here: on the stack the compiler would have to be
// sure that nobody keeps it, or else take it from the heap.
var (
	words  [most + 6]string // room for a few flags and a port
	found  line
	polls  [most + 1]unix.PollFd // the attempts, and stdout
	wait   unix.Timespec
	sa4    unix.RawSockaddrInet4
	sa6    unix.RawSockaddrInet6
	self   unix.RawSockaddrInet6
	value  int32
	length uint32
	linger = unix.Linger{Onoff: 1}

	// The message that ssh takes: one NUL byte, and in a control message one
	// descriptor (package fdpass).
	message = unix.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&rights)), Controllen: uint64(unsafe.Sizeof(rights))}
	iov     = unix.Iovec{Base: &nul, Len: 1}
	nul     byte
	rights  = struct {
		unix.Cmsghdr
		fd [2]int32 // one, and what fills the word
	}{Cmsghdr: unix.Cmsghdr{Len: unix.SizeofCmsghdr + 4, Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}}
)

// left is what the runtime finds: a descriptor for each address, or -1.
var left struct {
	fds   [most]int
	n     int
	since unix.Timespec // CLOCK_MONOTONIC
}

// begun says that the program began here, and disabled that it was told not to race.
var begun, disabled bool

// State returns "on" if the program began in this package, or else "off" and why.
func State() string {
	switch {
	case disabled:
		return "off: FDRACE_PRESTART=0"
	case begun:
		return "on"
	case !built:
		return "off: not in this build"
	}
	return "off: not linked in"
}

// begin is where the program begins: sp is the stack as the kernel has made it.
// It returns where the runtime is wanted.
//
//go:nocheckptr
func begin(sp unsafe.Pointer) {
	begun = true
	argc := *(*uintptr)(sp)
	for i := argc + 1; ; i++ {
		v := argument(sp, i)
		if v == nil {
			break
		}
		if value, ok := variable(text(v), prestartEnv); ok && value == "0" {
			disabled = true
			return
		}
		if value, ok := variable(text(v), logEnv); ok && value != "" {
			return
		}
	}
	if argc < 2 || argc-1 > uintptr(len(words)) {
		return
	}
	for i := range argc - 1 {
		words[i] = text(argument(sp, i+1))
	}
	if found.read(words[:argc-1]) && takesSocket(stdout) {
		race(&found)
	}
}

// argument returns word i of the command line, and after the nil that ends those the
// environment.
//
//go:nocheckptr
func argument(sp unsafe.Pointer, i uintptr) *byte {
	return *(**byte)(unsafe.Add(sp, (i+1)*unsafe.Sizeof(sp)))
}

// text returns the string at s, which ends with a NUL.
//
//go:nocheckptr
func text(s *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return unsafe.String(s, n)
}

// variable returns the value in v, "NAME=value", if v begins with name, "NAME=".
func variable(v, name string) (value string, ok bool) {
	if len(v) < len(name) || v[:len(name)] != name {
		return "", false
	}
	return v[len(name):], true
}

// takesSocket is what fdpass.Socket asks.
func takesSocket(fd uintptr) bool {
	return option(fd, unix.SO_DOMAIN) == unix.AF_UNIX && option(fd, unix.SO_TYPE) == unix.SOCK_STREAM
}

// race begins an attempt at each address. If one succeeds the process ends.
func race(l *line) {
	call(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&left.since)), 0)
	wait.Nsec = int64(patience)
	alive, more := 0, false
	for i := range l.n {
		fd := connect(l, &l.addrs[i])
		polls[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
		left.fds[i] = fd
		if fd >= 0 {
			alive++
		} else {
			more = more || l.more(i)
		}
	}
	polls[l.n].Fd = stdout
	for alive > 0 {
		if more { // than to wait: what is there already
			wait = unix.Timespec{}
		}
		n, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&polls)), uintptr(l.n+1), uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
		if n == 0 || e != 0 || polls[l.n].Revents != 0 {
			break // the runtime will see why
		}
		for i := range l.n {
			switch polls[i].Revents {
			case 0:
			case unix.POLLOUT:
				if handOver(l, i) {
					call(unix.SYS_EXIT_GROUP, 0, 0, 0)
				}
				polls[i].Fd = -1 // the runtime will see what is wrong
				alive, more = alive-1, true
			default:
				polls[i].Fd = -1 // it has failed, which the runtime will tell
				alive, more = alive-1, more || l.more(i)
			}
		}
	}
	left.n = l.n
}

// more reports whether there is something to try when attempt i has failed: its
// plain twin, or a way to an IPv4 address through NAT64.
func (l *line) more(i int) bool { return l.mptcp || l.addrs[i].four }

// connect returns a descriptor with a connection under way, or -1.
func connect(l *line, a *address) int {
	domain, sa, size := uintptr(unix.AF_INET6), unsafe.Pointer(&sa6), unsafe.Sizeof(sa6)
	if a.four {
		domain, sa, size = unix.AF_INET, unsafe.Pointer(&sa4), unsafe.Sizeof(sa4)
		sa4.Family, sa4.Port = unix.AF_INET, l.port>>8|l.port<<8
		for i := range sa4.Addr {
			sa4.Addr[i] = a.bytes[i]
		}
	} else {
		sa6.Family, sa6.Port = unix.AF_INET6, l.port>>8|l.port<<8
		sa6.Addr = a.bytes
	}
	protocol := uintptr(0)
	if l.mptcp {
		protocol = unix.IPPROTO_MPTCP
	}
	fd, e := call(unix.SYS_SOCKET, domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if e != 0 {
		return -1
	}
	if fd <= 2 { // one of the first three is missing, which the runtime opens
		call(unix.SYS_CLOSE, fd, 0, 0)
		return -1
	}
	// holdAck of package race. One address alone cannot lose here: if nobody has
	// answered when the runtime takes over, that holds the ACK back.
	if l.n > 1 {
		setOption(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	}
	_, e = call(unix.SYS_CONNECT, fd, uintptr(sa), size)
	// A local firewall's ICMP error is in SO_ERROR: see underWay of package race.
	if e != 0 && e != unix.EINPROGRESS || option(fd, unix.SO_ERROR) > 0 {
		call(unix.SYS_CLOSE, fd, 0, 0)
		return -1
	}
	return int(fd)
}

// handOver makes what race.Winner.FD promises of an attempt that has connected,
// and passes it.
func handOver(l *line, winner int) bool {
	fd := uintptr(polls[winner].Fd)
	length = uint32(unsafe.Sizeof(self))
	_, e := call(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&self)), uintptr(unsafe.Pointer(&length)))
	if e != 0 || self.Port == l.port>>8|l.port<<8 { // IPv4 has its port there, too
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
	rights.fd[0] = int32(fd)
	n, _ := call(unix.SYS_SENDMSG, stdout, uintptr(unsafe.Pointer(&message)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return n == 1
}

// dropOthers closes all attempts but the winner, as Close of package race does
// with plain TCP: before anything else, and before ssh is woken, which on a busy
// machine runs in our place, for longer than the ACK of one that has connected can
// be held back.
func (l *line) dropOthers(winner int) {
	for i := range l.n {
		if fd := left.fds[i]; i != winner && fd >= 0 {
			syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
			call(unix.SYS_CLOSE, uintptr(fd), 0, 0)
			left.fds[i], polls[i] = -1, unix.PollFd{Fd: -1}
		}
	}
}

// option returns an option of level SOL_SOCKET, or -1.
func option(fd, name uintptr) int32 {
	value, length = -1, 4
	syscall.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, name, uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&length)), 0)
	return value
}

func setOption(fd, level, name uintptr, to int32) {
	value = to
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, fd, level, name, uintptr(unsafe.Pointer(&value)), 4, 0)
}

func call(trap, a, b, c uintptr) (uintptr, syscall.Errno) {
	r, _, e := syscall.RawSyscall(trap, a, b, c)
	return r, e
}
