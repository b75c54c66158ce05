//go:build unix

package engine

import "golang.org/x/sys/unix"

// Converse peeks before it reads, so as not to read what the server has sent.
func (k *kernel) Converse(fd int, h *handshake) error {
	poll := &k.polls[k.index[fd]]
	var buf [512]byte
	for {
		for len(h.out) > 0 {
			n, err := unix.SendmsgN(fd, h.out, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				poll.Events = unix.POLLOUT
				return errNotYet
			case err != nil:
				return err
			}
			h.out = h.out[n:]
		}
		if h.done {
			return nil
		}
		n, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			poll.Events = unix.POLLIN
			return errNotYet
		case err != nil:
			return err
		case n == 0:
			return h.closed()
		}
		n, wrong := h.take(buf[:n])
		if _, err := unix.Read(fd, buf[:n]); err != nil { // they are there
			return err
		}
		if wrong != nil {
			return wrong
		}
	}
}
