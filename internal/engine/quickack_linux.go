package engine

import "golang.org/x/sys/unix"

// holdsAck reports whether holdAck has an effect.
const holdsAck = true

// holdAck keeps the kernel from completing the handshake of fd by itself: it delays the ACK
// by up to 200 ms, unless sendAck is called. If a loser is reset before, the server's
// accept(2) does not return it. It has an effect if it is called before the SYN is answered.
func holdAck(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) }

// sendAck sends the ACK that holdAck has held back.
func sendAck(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
