//go:build unix

package engine

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxBanner bounds the text that a server may send before its banner, in bytes. It is
// usually a line or two of a TCP wrapper; sshd sends the text of its Banner option later.
const maxBanner = 16 << 10

// banner looks for dialer.Banner in what fd has received, without reading it.
// It returns errNotYet while it may still come, and errHalf if poll(2) cannot tell when.
func (k *kernel) banner(fd int) error {
	buf := make([]byte, maxBanner)
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	before, again := k.peeked[fd]
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		n = 0
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoBanner, err)
	case hasLine(buf[:n], k.dialer.Banner):
		return nil
	case n == 0 || again && n == before && isClosed(fd):
		if err := refusal(buf[:n]); err != nil {
			return err
		}
		return fmt.Errorf("%w: closed by the server", ErrNoBanner)
	case n == len(buf):
		return fmt.Errorf("%w: %d bytes of something else", ErrNoBanner, n)
	case again && n == before:
		k.polls[k.index[fd]].Events = pollClosed
		return errHalf
	}
	if n > 0 {
		// poll would return at once for what is there: wait for more.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, n+1); err != nil {
			return fmt.Errorf("%w: it came in pieces: SO_RCVLOWAT: %w", ErrNoBanner, err)
		}
		if k.peeked == nil {
			k.peeked = map[int]int{}
		}
		k.peeked[fd] = n
	}
	k.polls[k.index[fd]].Events = unix.POLLIN
	return errNotYet
}

func (k *kernel) AnswersOthers(fd int, since time.Duration) bool {
	yes, err := answersOthers(fd, k.Now()-since)
	return err == nil && yes
}

// refusalOf returns the error of fd, whose server has reset it: what the server said before,
// or else err.
func (k *kernel) refusalOf(fd int, err error) error {
	buf := make([]byte, maxBanner)
	n, _, e := unix.Recvfrom(fd, buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if e != nil || n == 0 || hasLine(buf[:n], k.dialer.Banner) {
		return err
	}
	if refused := refusal(buf[:n]); refused != nil {
		return refused
	}
	return err
}

// hasLine reports whether a line of b begins with prefix. The line may be incomplete.
func hasLine(b []byte, prefix string) bool {
	return bytes.HasPrefix(b, []byte(prefix)) || bytes.Contains(b, []byte("\n"+prefix))
}
