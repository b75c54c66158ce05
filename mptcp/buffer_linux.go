package mptcp

import (
	"os"

	"golang.org/x/sys/unix"
)

// receiveWindow is how many bytes GrowReceiveBuffer makes room for. The kernel
// counts small packets for several times their size: 1 MiB holds a few thousand.
const receiveWindow = 1 << 20

// GrowReceiveBuffer enlarges the receive buffer of a connected MPTCP socket, so that it
// holds what arrives on one path while earlier data is lost with another.
//
// Linux retransmits lost data on another path only after a few hundred milliseconds.
// Data that arrives in the meantime waits in the receive buffer (mptcp_move_skb). If the
// buffer fills up before the retransmission arrives, neither is accepted, and the
// connection stalls for good: with the 128 KiB of net.ipv4.tcp_rmem, 250 small packets a
// second are enough.
//
// SO_RCVBUF would enlarge the buffer, too, but disables the kernel's tuning. SO_RCVLOWAT
// enlarges it (mptcp_set_rcvlowat, Linux 6.7) up to half the maximum of
// net.ipv4.tcp_rmem, and keeps it when reset. On older kernels it changes nothing. fd
// stays the caller's.
func GrowReceiveBuffer(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, receiveWindow)
	if err == nil { // or a read waits for as much
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	}
	return os.NewSyscallError("setsockopt SO_RCVLOWAT", err)
}
