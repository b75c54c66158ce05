//go:build unix

package helper

import (
	"errors"

	"fdrace/fdpass"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

var (
	errNoSocket = errors.New(`stdout is not a socket: add "ProxyUseFdpass yes" to the Host block that runs fdrace; ssh clients other than OpenSSH do not support ProxyUseFdpass`)
	errTerminal = errors.New(`fdrace passes its connection to ssh: use it as ProxyCommand with "ProxyUseFdpass yes"; "fdrace --explain" shows a race`)
	errLibssh   = errors.New("this client does not support ProxyUseFdpass: it has sent its own banner, which OpenSSH does only on the connection that it is passed")
)

// findSSH returns the first of fds that is the socket on which ssh waits for a
// connection. ssh makes it stdout and stdin.
func findSSH(fds ...int) (fd int, err error) {
	fd, err = fdpass.FindSocket(fds...)
	if err != nil {
		if term.Of(fds[0]).Terminal {
			return -1, errTerminal
		}
		return -1, errNoSocket
	}
	// libssh makes a socket pair, too, and expects a relay: its banner is in it already.
	// It would take the message for data. OpenSSH writes nothing (sshconnect.c,
	// ssh_proxy_fdpass_connect).
	var b [4]byte
	if n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT); err == nil && n > 0 {
		return -1, errLibssh
	}
	return fd, nil
}
