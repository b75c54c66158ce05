package mptcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/mptcp.h, at level SOL_MPTCP.
const (
	mptcpTCPInfo      = 2 // MPTCP_TCPINFO, since Linux 5.16
	mptcpSubflowAddrs = 3 // MPTCP_SUBFLOW_ADDRS, since 5.16
	mptcpFullInfo     = 4 // MPTCP_FULL_INFO, since 6.5: MPTCP_INFO and these two, at one moment
)

// ReadInfo returns the state of c, such as a *net.TCPConn or an *os.File, which must
// be connected and stays the caller's. Fields that the kernel is too old to report
// are zero. The error matches errors.ErrUnsupported before Linux 5.16, and if c is
// not an MPTCP socket.
func ReadInfo(c syscall.Conn) (info *Info, err error) {
	err = control(c, func(fd int) (err error) {
		info, err = readInfo(fd)
		return err
	})
	return info, err
}

func readInfo(fd int) (*Info, error) {
	info, err := fullInfo(fd)
	if unknown(err) {
		info, err = infoInParts(fd)
	}
	if !unknown(err) {
		return info, err
	}
	// After a fallback, plain TCP handles these options, and does not know them.
	mptcp, e := isMPTCP(fd)
	if e == nil && !mptcp {
		e = fmt.Errorf("not an MPTCP socket: %w", errors.ErrUnsupported)
	}
	if e == nil {
		e = knowsInfo()
	}
	if e != nil {
		return nil, e
	}
	return &Info{FallenBack: true}, nil
}

// fullInfo reads everything in one call, and calls again if there were more subflows
// than it had room for.
func fullInfo(fd int) (*Info, error) {
	for room := 8; ; {
		head := make([]byte, fullHead+infoSize)
		subflows, tcp := make([]byte, room*subflowSize), make([]byte, room*tcpSize)
		e := binary.NativeEndian
		e.PutUint32(head[fullTCPSize:], tcpSize)
		e.PutUint32(head[fullSubflowSize:], subflowSize)
		e.PutUint32(head[fullRoom:], uint32(room))
		var pin runtime.Pinner
		pin.Pin(&subflows[0])
		pin.Pin(&tcp[0])
		e.PutUint64(head[fullSubflows:], uint64(uintptr(unsafe.Pointer(&subflows[0]))))
		e.PutUint64(head[fullTCPs:], uint64(uintptr(unsafe.Pointer(&tcp[0]))))
		n, err := getsockopt(fd, mptcpFullInfo, head)
		pin.Unpin()
		if err != nil {
			return nil, named("MPTCP_FULL_INFO", err)
		}
		info, there, ok := parseFullInfo(head[:n], subflows, tcp)
		if !ok {
			return nil, fmt.Errorf("getsockopt MPTCP_FULL_INFO: %w", errShort)
		}
		if there <= room {
			return info, nil
		}
		room = there
	}
}

// infoInParts is for kernels without MPTCP_FULL_INFO. If a subflow has come or gone
// between its calls, it leaves out the state of the subflows, which might be paired
// with the wrong addresses.
func infoInParts(fd int) (*Info, error) {
	b := make([]byte, infoSize)
	n, err := getsockopt(fd, mptcpInfo, b)
	if err != nil {
		return nil, named("MPTCP_INFO", err)
	}
	info, ok := parseInfo(b[:n])
	if !ok {
		return nil, fmt.Errorf("getsockopt MPTCP_INFO: %w", errShort)
	}
	addrs, err := eachSubflow(fd, mptcpSubflowAddrs, addrsSize)
	if err != nil {
		return nil, named("MPTCP_SUBFLOW_ADDRS", err)
	}
	tcp, err := eachSubflow(fd, mptcpTCPInfo, tcpSize)
	if err != nil {
		return nil, named("MPTCP_TCPINFO", err)
	}
	for i := range addrs {
		var s Subflow
		s.parseAddrs(addrs[i])
		if len(tcp) == len(addrs) {
			s.parseTCP(tcp[i])
		}
		info.Subflows = append(info.Subflows, s)
	}
	return info, nil
}

// eachSubflow returns an item of up to size bytes for each subflow.
func eachSubflow(fd, option, size int) ([][]byte, error) {
	for room := 8; ; {
		b := make([]byte, listHead+room*size)
		binary.NativeEndian.PutUint32(b[listHeadSize:], listHead)
		binary.NativeEndian.PutUint32(b[listSize:], uint32(size))
		n, err := getsockopt(fd, option, b)
		if err != nil {
			return nil, err
		}
		items, there, ok := parseList(b[:n])
		if !ok {
			return nil, errShort
		}
		if there <= room {
			return items, nil
		}
		room = there
	}
}

// getsockopt returns how many bytes of buf the kernel has filled.
func getsockopt(fd, option int, buf []byte) (n int, err error) {
	size := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_MPTCP, uintptr(option),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return min(int(size), len(buf)), nil
}

// named adds the name of the option to err, but returns the errors for which unknown
// is true as they are.
func named(option string, err error) error {
	if unknown(err) {
		return err
	}
	return os.NewSyscallError("getsockopt "+option, err)
}
