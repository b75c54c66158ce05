package mptcp

import (
	"os"

	"golang.org/x/sys/unix"
)

// receiveWindow is how many bytes GrowReceiveBuffer makes room for. The kernel
// counts small packets for several times their size: 1 MiB holds a few thousand.
const receiveWindow = 1 << 20

// GrowReceiveBuffer makes room in the receive buffer of a connected MPTCP socket
// for what arrives by one path while the data before it are lost with another.
//
// Linux repeats lost data on another path only after a few hundred milliseconds.
// What comes in the meantime waits in the receive buffer (mptcp_move_skb). If that
// is full before the repetition is there, neither can be taken in, and the
// connection stands still for good: with the 128 KiB of net.ipv4.tcp_rmem, 250
// small packets a second are enough.
//
// SO_RCVBUF would make the buffer larger, too, but then the kernel does not tune
// it any more. SO_RCVLOWAT makes it larger (mptcp_set_rcvlowat, Linux 6.7), up to
// half the maximum in net.ipv4.tcp_rmem, and leaves it when it is reset. On older
// kernels nothing changes. fd stays the caller's.
func GrowReceiveBuffer(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, receiveWindow)
	if err == nil { // or a read waits for as much
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	}
	return os.NewSyscallError("setsockopt SO_RCVLOWAT", err)
}
