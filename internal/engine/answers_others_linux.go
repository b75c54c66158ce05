package engine

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"
	"time"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

// Linux lists the connections of all programs of the network namespace to everybody
// (sock_diag(7)). These are the parts of its question and answers that are used here.
const (
	diagRequestSize = 56 // struct inet_diag_req_v2
	diagSize        = 72 // struct inet_diag_msg
	diagInfo        = 2  // INET_DIAG_INFO, a struct tcp_info

	// From the local port on, struct inet_diag_sockid has two ports and two addresses
	// of 16 bytes. It is the same in both structs, at these offsets.
	diagRequestID = 8
	diagID        = 4
	diagIDSize    = 2 + 2 + 16 + 16

	tcpEstablished   = 1   // TCP_ESTABLISHED
	tcpLastDataRecv  = 52  // tcp_info.tcpi_last_data_recv, in milliseconds
	tcpBytesReceived = 128 // tcp_info.tcpi_bytes_received

	// maxDiag is the size of the largest datagram that the kernel sends in a dump.
	maxDiag = 32 << 10
)

// maxLoginBytes is the most that a connection may have received to count for
// answersOthers. An SSH server sends less than half of that before the login is complete. A
// connection that has received more may be old, and a firewall can let old ones through
// when it drops new ones.
const maxLoginBytes = 16 << 10

// answersOthers reports whether another young connection, from the local address of fd to
// the same peer, has received data within the last period of length within. It returns
// ENOTSUP if the kernel cannot list connections. fd stays the caller's.
func answersOthers(fd int, within time.Duration) (bool, error) {
	family, id, err := connectionID(fd)
	if err != nil {
		return false, err
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return false, os.NewSyscallError("netlink: socket", err)
	}
	defer unix.Close(s)
	e := binary.NativeEndian
	q := make([]byte, unix.SizeofNlMsghdr+diagRequestSize)
	e.PutUint32(q, uint32(len(q)))
	e.PutUint16(q[4:], unix.SOCK_DIAG_BY_FAMILY)
	e.PutUint16(q[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request := q[unix.SizeofNlMsghdr:]
	request[0], request[1], request[2] = family, unix.IPPROTO_TCP, 1<<(diagInfo-1)
	e.PutUint32(request[4:], 1<<tcpEstablished)
	copy(request[diagRequestID+2:], id[2:4]) // the kernel compares the ports, but not the addresses
	if err := unix.Sendto(s, q, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, os.NewSyscallError("netlink: sendto", err)
	}
	for buf := make([]byte, maxDiag); ; {
		n, _, err := unix.Recvfrom(s, buf, 0) // the kernel has the next part already
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, os.NewSyscallError("netlink: recvfrom", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return false, netlink.ErrMalformed
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return false, nil
			case unix.SOCK_DIAG_BY_FAMILY:
				if hasAnswer(m.Data, id, within) {
					return true, nil
				}
			default: // NLMSG_ERROR
				return false, unix.ENOTSUP
			}
		}
	}
}

// connectionID returns the address family of fd, and the ports and addresses as they are in
// struct inet_diag_sockid.
func connectionID(fd int) (family uint8, id []byte, err error) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return 0, nil, err
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return 0, nil, err
	}
	id = make([]byte, diagIDSize)
	for i, end := range []unix.Sockaddr{local, peer} {
		switch end := end.(type) {
		case *unix.SockaddrInet4:
			family = unix.AF_INET
			binary.BigEndian.PutUint16(id[2*i:], uint16(end.Port))
			copy(id[4+16*i:], end.Addr[:])
		case *unix.SockaddrInet6:
			family = unix.AF_INET6
			binary.BigEndian.PutUint16(id[2*i:], uint16(end.Port))
			copy(id[4+16*i:], end.Addr[:])
		default:
			return 0, nil, unix.EAFNOSUPPORT
		}
	}
	return family, id, nil
}

// hasAnswer reports whether m, a struct inet_diag_msg and its attributes, is a connection that
// answersOthers looks for.
func hasAnswer(m, id []byte, within time.Duration) (found bool) {
	if len(m) < diagSize {
		return false
	}
	if other := m[diagID:][:diagIDSize]; !bytes.Equal(other[2:], id[2:]) || bytes.Equal(other, id) {
		return false
	}
	e := binary.NativeEndian
	_ = netlink.Attributes(m[diagSize:], func(kind uint16, info []byte) bool {
		if kind == diagInfo && len(info) >= tcpBytesReceived+8 {
			received := e.Uint64(info[tcpBytesReceived:])
			age := time.Duration(e.Uint32(info[tcpLastDataRecv:])) * time.Millisecond
			found = received > 0 && received <= maxLoginBytes && age <= within
		}
		return true
	})
	return found
}
