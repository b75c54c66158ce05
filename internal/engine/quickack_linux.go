package engine

import "golang.org/x/sys/unix"

// holdsAck reports whether holdAck has an effect.
const holdsAck = true

// holdAck keeps the kernel from completing fd's handshake by itself: the ACK
// that the server waits for is then up to 200 ms late, unless sendAck is called.
// A loser that is reset before has never been accepted, and is no line in the
// server's log. It works from before connect(2) until the SYN is answered.
func holdAck(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) }

// sendAck sends the ACK that holdAck has held back.
func sendAck(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
