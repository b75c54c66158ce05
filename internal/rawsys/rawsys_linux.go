// Package rawsys makes the system calls that name resolution and connecting need. It
// carries out what package stub decides.
//
// Packages prestart and engine share it. Prestart calls it before the Go runtime has
// started, so nothing here allocates, panics or calls the runtime (TestCalls and
// TestBounds of prestart make sure), and errors are plain errno values. All calls are
// raw: the scheduler is not told. So sockets must not block, and the files that are
// read here are small and local. Functions with pointer conversions are not checked by
// -d=checkptr, which calls the runtime.
package rawsys

import (
	"syscall"
	"unsafe"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// Close closes fd.
func Close(fd int) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// NoDescriptor reports whether e means that no descriptor was left.
func NoDescriptor(e syscall.Errno) bool { return e == unix.EMFILE || e == unix.ENFILE }

// Socket returns a non-blocking, close-on-exec socket of the family of a.
func Socket(a *stub.Addr, kind, protocol int) (fd int, e syscall.Errno) {
	domain := uintptr(unix.AF_INET6)
	if a.Is4 {
		domain = unix.AF_INET
	}
	kind |= unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	r, _, e := syscall.RawSyscall(unix.SYS_SOCKET, domain, uintptr(kind), uintptr(protocol))
	if e != 0 {
		return -1, e
	}
	return int(r), 0
}

// Connect calls connect(2). EINPROGRESS is not an error.
//
//go:nocheckptr
func Connect(fd int, a *stub.Addr, port uint16) (e syscall.Errno) {
	if a.Is4 {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{a.IP[0], a.IP[1], a.IP[2], a.IP[3]}}
		*(*[2]byte)(unsafe.Pointer(&sa.Port)) = [2]byte{byte(port >> 8), byte(port)}
		_, _, e = syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	} else {
		sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.IP}
		*(*[2]byte)(unsafe.Pointer(&sa.Port)) = [2]byte{byte(port >> 8), byte(port)}
		if sa.Scope_id, e = scopeID(fd, &a.Zone); e != 0 {
			return e
		}
		_, _, e = syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	}
	if e == unix.EINPROGRESS {
		return 0
	}
	return e
}

// scopeID returns the index of the interface that zone names, by its name or its
// index; 0 for no zone.
func scopeID(fd int, zone *[16]byte) (index uint32, e syscall.Errno) {
	for _, c := range zone {
		if c == 0 {
			return index, 0
		}
		if c < '0' || c > '9' {
			break
		}
		index = index*10 + uint32(c-'0')
	}
	request := struct { // ifreq of netdevice(7)
		name  [16]byte
		index uint32
		_     [20]byte
	}{name: *zone}
	_, _, e = syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFINDEX, uintptr(unsafe.Pointer(&request)))
	return request.index, e
}

// LocalAddr sets a to the address that fd, an IP socket, is bound to.
//
//go:nocheckptr
func LocalAddr(fd int, a *stub.Addr) (port uint16, e syscall.Errno) {
	*a = stub.Addr{}
	var sa unix.RawSockaddrInet6 // at least as large as that of IPv4
	size := uint32(unsafe.Sizeof(sa))
	if _, _, e = syscall.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); e != 0 {
		return 0, e
	}
	if a.Is4 = sa.Family == unix.AF_INET; a.Is4 {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa))
		a.IP = [16]byte{four.Addr[0], four.Addr[1], four.Addr[2], four.Addr[3]}
	} else {
		a.IP = sa.Addr
	}
	p := (*[2]byte)(unsafe.Pointer(&sa.Port))
	return uint16(p[0])<<8 | uint16(p[1]), 0
}

// Source sets from to the address from which the kernel would connect to to. It
// reports whether there is a route, through device unless that is empty. Nothing is
// sent. IPv4 from a link-local address to any other does not count as a route: no
// router passes it on (RFC 3927 section 2.7).
func Source(to, from *stub.Addr, device string) bool {
	*from = stub.Addr{}
	// Each destination has a socket of its own: one that was connected keeps its source.
	fd, e := Socket(to, unix.SOCK_DGRAM, 0)
	if e != 0 {
		return false
	}
	if device != "" { // should this fail, the attempt will say why
		syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, uintptr(unsafe.Pointer(unsafe.StringData(device))), uintptr(len(device)), 0)
	}
	if e = Connect(fd, to, DNSPort); e == 0 {
		_, e = LocalAddr(fd, from)
	}
	Close(fd)
	if e != 0 || from.Is4 && from.IsLinkLocal() && !to.IsLinkLocal() {
		*from = stub.Addr{}
		return false
	}
	return true
}

// Option returns an option of level SOL_SOCKET, -1 if fd has no such option.
func Option(fd int, name uintptr) int32 {
	value, size := int32(-1), uint32(4)
	syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, name, uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	return value
}

// SetOption sets an option. Sockets that do not have it ignore it.
func SetOption(fd int, level, name uintptr, value int32) {
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), level, name, uintptr(unsafe.Pointer(&value)), unsafe.Sizeof(value), 0)
}

// Read reads once.
func Read(fd int, b []byte) (n int, e syscall.Errno) {
	r, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return 0, e
	}
	return int(r), 0
}

// Random makes the identifiers of questions hard to guess.
func Random() (r uint64) {
	var b [8]byte
	n, _, _ := syscall.RawSyscall(unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(&b)), unsafe.Sizeof(b), 0)
	if n != unsafe.Sizeof(b) { // before Linux 3.17
		var now unix.Timespec
		syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(&now)), 0)
		return uint64(now.Nsec)<<32 ^ uint64(now.Sec)
	}
	for _, c := range b {
		r = r<<8 | uint64(c)
	}
	return r
}
