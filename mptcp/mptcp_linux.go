package mptcp

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// From linux/tcp.h and linux/mptcp.h; golang.org/x/sys/unix has neither.
const (
	tcpIsMPTCP = 43 // TCP_IS_MPTCP, at level IPPROTO_TCP, since Linux 6.10
	mptcpInfo  = 1  // MPTCP_INFO, at level SOL_MPTCP, since Linux 5.16
)

// Socket returns a new MPTCP socket of domain, unix.AF_INET or unix.AF_INET6. It is
// non-blocking and close-on-exec, and the caller owns it. The error wraps the errno
// and says what it means; whatever it is, the caller can use plain TCP.
func Socket(domain int) (fd int, err error) {
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return -1, socketError(err)
	}
	return fd, nil
}

// socketError says what an errno of socket(IPPROTO_MPTCP) means.
func socketError(err error) error {
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

// Supported returns nil if this machine can make MPTCP sockets, and otherwise the
// error of Socket. It makes a socket to find out, and closes it.
func Supported() error {
	fd, err := Socket(unix.AF_INET)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// InUse reports whether c, such as a *net.TCPConn or an *os.File, speaks MPTCP with
// its peer now. c must be connected: before that, InUse returns true for any MPTCP
// socket. The connection may still fall back to plain TCP with the first data (RFC
// 8684 section 3.7). For a plain TCP socket InUse returns false without an error.
// Before Linux 5.16 it returns an error that matches errors.ErrUnsupported for MPTCP
// sockets.
func InUse(c syscall.Conn) (yes bool, err error) {
	err = control(c, func(fd int) (err error) {
		yes, err = InUseFD(fd)
		return err
	})
	return yes, err
}

// control calls ask with c's descriptor, which stays open until ask returns.
func control(c syscall.Conn, ask func(fd int) error) (err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = ask(int(fd)) }); e != nil {
		return e
	}
	return err
}

// InUseFD is InUse for a file descriptor, which stays the caller's.
func InUseFD(fd int) (bool, error) {
	n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, tcpIsMPTCP)
	if err == nil {
		return n == 1, nil
	}
	// Before Linux 6.10 the option does not exist: ENOPROTOOPT for TCP sockets, and
	// EOPNOTSUPP for MPTCP sockets.
	if !unknown(err) {
		return false, os.NewSyscallError("getsockopt TCP_IS_MPTCP", err)
	}
	return inUseByInfo(fd)
}

// inUseByInfo answers for kernels without TCP_IS_MPTCP. MPTCP_INFO works on an
// MPTCP socket that has not fallen back, and on no other.
func inUseByInfo(fd int) (bool, error) {
	_, err := unix.GetsockoptInt(fd, unix.SOL_MPTCP, mptcpInfo)
	switch {
	case err == nil:
		return true, nil
	case !unknown(err):
		return false, os.NewSyscallError("getsockopt MPTCP_INFO", err)
	}
	mptcp, err := isMPTCP(fd)
	if mptcp {
		err = knowsInfo()
	}
	return false, err
}

// unknown reports whether err means that the kernel, or the protocol, does not know
// the option: EOPNOTSUPP or ENOPROTOOPT, depending on the family and the protocol.
func unknown(err error) bool {
	return err == unix.ENOPROTOOPT || err == unix.EOPNOTSUPP
}

// isMPTCP reports whether fd was created as an MPTCP socket, which it remains after a
// fallback.
func isMPTCP(fd int) (bool, error) {
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	return protocol == unix.IPPROTO_MPTCP, os.NewSyscallError("getsockopt SO_PROTOCOL", err)
}

// knowsInfo returns nil if this kernel has MPTCP_INFO. Only then does an error of
// that option mean that a connection has fallen back.
func knowsInfo() error {
	fd, err := Socket(unix.AF_INET)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err = unix.GetsockoptInt(fd, unix.SOL_MPTCP, mptcpInfo); unknown(err) {
		return fmt.Errorf("this kernel cannot tell whether MPTCP is in use (Linux 5.16 can): %w", errors.ErrUnsupported)
	}
	return os.NewSyscallError("getsockopt MPTCP_INFO", err)
}
