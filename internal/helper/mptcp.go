//go:build unix

package helper

import (
	"errors"

	"fdrace/internal/engine"
	"fdrace/mptcp"
)

// MPTCP is the transport. The kernel acknowledges its handshakes at once, and pauses MPTCP
// if an attempt lasts too long.
var MPTCP = engine.Transport{Name: "mptcp", Socket: mptcp.Socket, EagerACK: true, MaxAge: mptcp.ConnectLimit}

var (
	errNoMPTCP = errors.New("server does not speak MPTCP")
	errPaused  = errors.New("this kernel has paused MPTCP")
	errDropped = errors.New("MPTCP is dropped on the way")
)

// Resume is what to run when the kernel has paused MPTCP, and why.
const (
	Resume    = "sysctl -w net.mptcp.blackhole_timeout=3600"
	whyPaused = "a network has dropped MPTCP, and for an hour or more this kernel does not try it"
)

func confirmMPTCP(fd int) error {
	yes, err := mptcp.InUseFD(fd)
	if err == nil && !yes {
		err = whyTCP()
	}
	return err
}

// FellBack reports whether, for at least one candidate, a connection was made that does
// not use MPTCP.
func FellBack(err error) bool { return errors.Is(err, errNoMPTCP) || errors.Is(err, errPaused) }

// whyTCP returns the reason why a connection fell back to plain TCP.
func whyTCP() error {
	if paused, err := mptcp.Paused(); err == nil && paused {
		return errPaused
	}
	return errNoMPTCP
}
