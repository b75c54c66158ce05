package mptcp

import (
	"encoding/binary"
	"os"
	"syscall"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

// Two requests over generic netlink need no library: every program that imports this
// package would pay for its initialization, even if it only makes sockets.

const (
	genlSize = 4 // struct genlmsghdr: the command, its version, 2 unused

	// maxAnswer is the size of the largest datagram that the kernel sends in a dump.
	maxAnswer = 1 << 15
)

// ask sends the kernel a command of a generic netlink family, without attributes, and
// returns the attributes of each message of the answer. An error in the answer is
// returned as an errno; ENOENT can also mean that there is no such family.
func ask(family string, version, command uint8, flags uint16) ([][]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, os.NewSyscallError("netlink: socket", err)
	}
	defer unix.Close(fd)
	name := netlink.Append(nil, unix.CTRL_ATTR_FAMILY_NAME, append([]byte(family), 0))
	answer, err := exchange(fd, unix.GENL_ID_CTRL, 1, unix.CTRL_CMD_GETFAMILY, 0, name)
	if err != nil {
		return nil, err
	}
	if len(answer) != 1 {
		return nil, netlink.ErrMalformed
	}
	id, err := parseFamily(answer[0])
	if err != nil {
		return nil, err
	}
	return exchange(fd, id, version, command, flags, nil)
}

func parseFamily(attributes []byte) (id uint16, err error) {
	err = netlink.Attributes(attributes, func(kind uint16, value []byte) bool {
		if kind == unix.CTRL_ATTR_FAMILY_ID && len(value) == 2 {
			id = binary.NativeEndian.Uint16(value)
		}
		return true
	})
	if err == nil && id == 0 {
		err = netlink.ErrMalformed
	}
	return id, err
}

// exchange sends one request and reads the answer. It does not wait: the kernel has
// each part of the answer as soon as it is asked for.
func exchange(fd int, family uint16, version, command uint8, flags uint16, attributes []byte) (answer [][]byte, err error) {
	e := binary.NativeEndian
	m := e.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+genlSize+len(attributes)))
	m = e.AppendUint16(m, family)
	m = e.AppendUint16(m, unix.NLM_F_REQUEST|flags)
	m = append(m, make([]byte, 8)...) // sequence number and port ID, which one request does not need
	m = append(m, command, version, 0, 0)
	m = append(m, attributes...)
	if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("netlink: sendto", err)
	}
	for buf := make([]byte, maxAnswer); ; {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("netlink: recvfrom", err)
		}
		if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
			continue // not from the kernel
		}
		part, done, err := parseAnswer(buf[:n], family)
		if err != nil {
			return nil, err
		}
		for _, p := range part {
			answer = append(answer, append([]byte(nil), p...))
		}
		if done || flags&unix.NLM_F_DUMP == 0 {
			return answer, nil
		}
	}
}

// parseAnswer returns the attributes of each message in b that belongs to family, and
// whether the answer ends there.
func parseAnswer(b []byte, family uint16) (part [][]byte, done bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, false, netlink.ErrMalformed
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.NLMSG_ERROR, unix.NLMSG_DONE:
			if len(m.Data) < 4 {
				return nil, false, netlink.ErrMalformed
			}
			if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno > 0 {
				return nil, false, unix.Errno(errno)
			}
			return part, true, nil
		case family:
			if len(m.Data) < genlSize {
				return nil, false, netlink.ErrMalformed
			}
			part = append(part, m.Data[genlSize:])
		}
	}
	return part, false, nil
}
