package engine

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// queueError returns a socket with an error in its queue (IP_RECVERR), and nothing in
// SO_ERROR: an ICMP message for a datagram to to.
func queueError(t *testing.T, to Target) (fd int) {
	t.Helper()
	fd, err := newSocket(unix.AF_INET, unix.SOCK_DGRAM)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port), Addr: at(to).Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := poll([]unix.PollFd{{Fd: int32(fd)}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil { // which clears it
		t.Fatal(err)
	}
	return fd
}

// POLLERR tells of the error queue as well, and is then neither success nor failure by
// itself: a connection that has nothing else to say is given up.
func TestKernelErrorQueueAlone(t *testing.T) {
	noLeak(t)
	k, err := newKernel(context.Background(), &Dialer{}, &Started{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.shut()
	fd := queueError(t, refusing(t))
	k.index[fd] = len(k.polls)
	k.polls = append(k.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	n, err := k.Wait(time.Minute)
	if err != nil || len(n.completions) != 1 || n.completions[0].err != unix.ECONNABORTED {
		t.Errorf("Wait = %+v, %v; want ECONNABORTED", n, err)
	}
	k.Close(&Transport{}, fd)
}

// A router's error for a connection that is there is a hint (RFC 1122 section 4.2.3.9):
// it does not end the attempt.
func TestKernelHint(t *testing.T) {
	noLeak(t)
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		t.Skipf("raw socket: %v; remedy: run as root", err)
	}
	defer unix.Close(raw)
	k, err := newKernel(context.Background(), &Dialer{}, &Started{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.shut()
	to, _ := listener(t, "127.0.0.1")
	fd, _, err := k.Connect(&Transport{}, Addr{AddrPort: at(to)}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(&Transport{}, fd)
	if err := poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	message := unreachable(t, fd, to)
	if err := unix.Sendto(raw, message, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	n, err := k.Wait(time.Minute)
	if err != nil || len(n.completions) != 1 || n.completions[0] != (completion{fd, nil}) {
		t.Errorf("Wait = %+v, %v", n, err)
	}
}

// unreachable returns the ICMP message by which a router says that there is no host to
// which fd, whose peer is to, is connected.
func unreachable(t *testing.T, fd int, to Target) []byte {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel wants a sequence number that it has sent and that nobody has
	// acknowledged; where there is none, the next one. TCP_REPAIR tells it.
	const sendQueue, offWithoutProbe = 2, -1
	for _, o := range [][2]int{{unix.TCP_REPAIR, 1}, {unix.TCP_REPAIR_QUEUE, sendQueue}} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, o[0], o[1]); err != nil {
			t.Skipf("TCP_REPAIR: %v; remedy: run as root", err)
		}
	}
	seq, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, offWithoutProbe); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 8+20+8)
	message[0], message[1] = 3, 1 // destination unreachable, host
	ip := message[8:]
	ip[0], ip[3], ip[8], ip[9] = 0x45, 40, 64, unix.IPPROTO_TCP
	copy(ip[12:], []byte{127, 0, 0, 1, 127, 0, 0, 1})
	tcp := ip[20:]
	binary.BigEndian.PutUint16(tcp, uint16(sa.(*unix.SockaddrInet4).Port))
	binary.BigEndian.PutUint16(tcp[2:], to.Port)
	binary.BigEndian.PutUint32(tcp[4:], uint32(seq))
	binary.BigEndian.PutUint16(message[2:], checksum(message))
	return message
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
