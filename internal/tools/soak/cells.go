//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A cell is one row of the table: logins to one sshd that has several addresses.
type cell struct {
	addrs []string // of the sshd: the targets, all of which answer
	rtt   time.Duration
	flags string // of fdrace
	how   how
	n     int // logins or, before the one login that has to succeed, runs
}

// how is what a cell does n times.
type how string

const (
	inTurn   how = "in turn"
	atOnce   how = "at once"
	busy     how = "at once, busy" // while others want the processors
	explains how = "--explain"
	doctors  how = "--doctor"
)

var (
	ipv4 = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
	both = []string{"192.0.2.1", "2001:db8:99::1", "192.0.2.2"}
)

var (
	rtts  = []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond}
	modes = []string{"", "--banner", "--mptcp", "--mptcp --banner"}
)

// matrix returns the cells that have a target. runs is the number of logins in turn;
// the other numbers follow from it. 0 is the number that the targets are for.
func matrix(runs int) (cells []cell) {
	if runs == 0 {
		runs = 100
	}
	for _, addrs := range [][]string{ipv4, both} {
		for _, rtt := range rtts {
			for _, flags := range modes {
				for _, kind := range []struct {
					how how
					n   int
				}{{inTurn, runs}, {atOnce, runs * 60 / 100}, {explains, min(runs, 20)}, {doctors, min(runs, 20)}} {
					cells = append(cells, cell{addrs, rtt, flags, kind.how, kind.n})
				}
			}
		}
	}
	return cells
}

// underLoad returns the cells that measure how often sshd still sees a loser on a busy
// machine. They have no target.
func underLoad(runs int) (cells []cell) {
	if runs == 0 {
		runs = 100
	}
	const rounds = 3
	for _, rtt := range rtts {
		for _, flags := range modes {
			for range rounds {
				cells = append(cells, cell{ipv4[:2], rtt, flags, busy, runs})
			}
		}
	}
	return cells
}

func (c cell) mptcp() bool { return strings.Contains(c.flags, "--mptcp") }

func (c cell) String() string {
	family := "IPv4"
	if slices.ContainsFunc(c.addrs, func(a string) bool { return strings.Contains(a, ":") }) {
		family = "both"
	}
	flags := c.flags
	if flags == "" {
		flags = "plain"
	}
	return fmt.Sprintf("%d %s  %4s  %-16s  %3d %-13s", len(c.addrs), family, c.rtt.Round(time.Millisecond), flags, c.n, c.how)
}

// outcome is the result of a cell.
type outcome struct {
	logins      int
	refused     int           // logins and, before the last of them, runs that have failed
	connections int           // that sshd has logged
	accepted    int           // that sshd has accepted, logged or not; 0 where it does not tell
	penalties   int           // lines of the log, not seconds
	hung        bool          // a connection outlived its client
	stalled     time.Duration // the longest stall of this machine meanwhile
	reason      string        // the first complaint of ssh, fdrace or sshd
}

// missed returns the target that the outcome misses, or "".
func (c cell) missed(o outcome) string {
	extra := o.connections - o.logins
	switch {
	case c.how == busy:
		return ""
	case o.refused > 0:
		return "refused"
	case o.hung:
		return "a session hangs"
	case c.how == inTurn && o.penalties > 0:
		return "penalties"
	case c.how == inTurn && extra != 0:
		return "connections"
	case c.how == atOnce && extra > 2:
		return "connections"
	}
	return ""
}
