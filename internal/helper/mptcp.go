//go:build unix

package helper

import (
	"errors"

	"fdrace/internal/engine"
	"fdrace/mptcp"
)

// MPTCP is the transport of --mptcp. The kernel completes its handshakes at once (EagerACK),
// and pauses MPTCP if an attempt lasts too long (MaxAge).
var MPTCP = engine.Transport{Name: "mptcp", Socket: mptcp.Socket, EagerACK: true, MaxAge: mptcp.ConnectLimit}

var (
	errNoMPTCP = errors.New("server does not speak MPTCP")
	errPaused  = errors.New("this kernel has paused MPTCP")
	errDropped = errors.New("MPTCP is dropped on the way")
)

const (
	// Resume is the command, for root, that ends the kernel's pause of MPTCP.
	Resume = "sysctl -w net.mptcp.blackhole_timeout=3600"

	whyPaused = "a network has dropped MPTCP, and for an hour or more this kernel does not try it"
)

// confirmMPTCP returns an error if fd, which has connected, does not use MPTCP.
func confirmMPTCP(fd int) error {
	yes, err := mptcp.InUseFD(fd)
	if err == nil && !yes {
		err = whyTCP()
	}
	return err
}

// FellBack reports whether err has a candidate that connected, but did not use MPTCP.
func FellBack(err error) bool { return errors.Is(err, errNoMPTCP) || errors.Is(err, errPaused) }

// whyTCP returns the reason why a connection fell back to plain TCP.
func whyTCP() error {
	if paused, err := mptcp.Paused(); err == nil && paused {
		return errPaused
	}
	return errNoMPTCP
}
