package mptcp

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// From linux/tcp.h and linux/mptcp.h; golang.org/x/sys/unix has neither.
const (
	tcpIsMPTCP = 43 // TCP_IS_MPTCP, at level IPPROTO_TCP, since Linux 6.10
	mptcpInfo  = 1  // MPTCP_INFO, at level SOL_MPTCP, since Linux 5.16
)

// Socket returns a new MPTCP socket of domain, unix.AF_INET or unix.AF_INET6:
// non-blocking, close-on-exec, the caller's to close. The error wraps the
// errno and says what it means; each means that plain TCP is to be used.
func Socket(domain int) (fd int, err error) {
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return -1, explain(err)
	}
	return fd, nil
}

// explain says what an errno of socket(IPPROTO_MPTCP) means.
func explain(err error) error {
	switch err {
	case unix.ENOPROTOOPT: // mptcp_init_sock, since 5.6
		return fmt.Errorf("MPTCP is off on this machine (net.mptcp.enabled=0): %w", err)
	case unix.EPROTONOSUPPORT: // no such protocol registered, since 5.6
		return fmt.Errorf("this kernel is built without MPTCP (CONFIG_MPTCP): %w", err)
	case unix.EINVAL: // before 5.6 protocol numbers end at 255
		return fmt.Errorf("this kernel is too old for MPTCP (Linux 5.6): %w", err)
	case unix.EPERM, unix.EACCES, unix.ENOSYS: // seccomp, BPF, SELinux
		return fmt.Errorf("a security policy forbids MPTCP sockets (seccomp, BPF or SELinux): %w", err)
	}
	return os.NewSyscallError("socket", err)
}

// Supported returns nil if this machine can make MPTCP sockets, or else the
// error of Socket. It finds out by making one.
func Supported() error {
	fd, err := Socket(unix.AF_INET)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// InUse reports whether fd, a connected socket, speaks MPTCP with its peer now.
// Ask only after the connection is there: until then the kernel says yes. It
// may fall back later, at the first data (RFC 8684 section 3.7). fd stays the
// caller's.
func InUse(fd int) (bool, error) {
	n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, tcpIsMPTCP)
	if err == nil {
		return n == 1, nil
	}
	// Before 6.10 the option is unknown: ENOPROTOOPT on TCP, and EOPNOTSUPP
	// on MPTCP sockets.
	if err != unix.ENOPROTOOPT && err != unix.EOPNOTSUPP {
		return false, os.NewSyscallError("getsockopt TCP_IS_MPTCP", err)
	}
	return inUseByInfo(fd)
}

// inUseByInfo answers for kernels without TCP_IS_MPTCP. MPTCP_INFO works on an
// MPTCP socket that has not fallen back, and on no other: EOPNOTSUPP on IPv4
// and plain TCP, ENOPROTOOPT on IPv6.
func inUseByInfo(fd int) (bool, error) {
	_, err := unix.GetsockoptInt(fd, unix.SOL_MPTCP, mptcpInfo)
	switch err {
	case nil:
		return true, nil
	case unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		return false, nil
	}
	return false, os.NewSyscallError("getsockopt MPTCP_INFO", err)
}
