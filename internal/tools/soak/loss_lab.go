//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"fdrace/internal/lab"
	"fdrace/mptcp"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// lossPatience is how long a helper is waited for. One that fails counts as one
// that took this long.
const lossPatience = 12 * time.Second

// The far host's addresses. On the way to each of the boxed ones is a box that
// drops some of MPTCP.
const (
	lossServer4 = "192.0.2.5"
	lossServer6 = "2001:db8:99::5"
	lossDNS     = "192.0.2.53"
	nameA       = "only4.example"
	nameBoth    = "both.example"
)

var lossBoxes = map[string]string{
	"192.0.2.9":  "drop mptcp syn 192.0.2.9",
	"192.0.2.10": "drop mptcp synack 192.0.2.10",
	"192.0.2.11": "drop mptcp 192.0.2.11",
}

// newLossLab makes a laptop, and beyond a wire that loses packets both the server and
// the name server.
func newLossLab(seed uint64, loss int, rtt time.Duration) (n *lab.Network, err error) {
	if n, err = lab.NewNetwork(seed); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
			n = nil
		}
	}()
	link, err := n.Link(lab.Link{Name: "wifi", RTT: rtt})
	if err != nil {
		return n, err
	}
	addresses := []string{lossServer4, lossServer6, lossDNS}
	for address, box := range lossBoxes {
		addresses = append(addresses, address)
		if err = addRule(link, box); err != nil {
			return n, err
		}
	}
	if err = addRule(link, fmt.Sprintf("loss %d%%", loss)); err != nil {
		return n, err
	}
	for _, address := range addresses {
		if err = n.Far.Address(netip.MustParseAddr(address)); err != nil {
			return n, err
		}
	}
	if _, err = n.Serve(netip.MustParseAddrPort("[::]:22"), lab.Behavior{Greeting: lab.Banner, MPTCP: true}); err != nil {
		return n, err
	}
	dns, err := n.ServeDNS(n.Far, netip.MustParseAddr(lossDNS))
	if err != nil {
		return n, err
	}
	four := &dnsmessage.AResource{A: netip.MustParseAddr(lossServer4).As4()}
	six := &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(lossServer6).As16()}
	dns.Set(nameA, dnsmessage.TypeA, lab.Reply{Records: []dnsmessage.ResourceBody{four}})
	dns.Set(nameBoth, dnsmessage.TypeA, lab.Reply{Records: []dnsmessage.ResourceBody{four}})
	dns.Set(nameBoth, dnsmessage.TypeAAAA, lab.Reply{Records: []dnsmessage.ResourceBody{six}})
	return n, nil
}

func addRule(l *lab.Link, words string) error {
	r, err := lab.ParseRule(strings.Fields(words)...)
	if err == nil {
		l.Rule(r)
	}
	return err
}

// A lossRace is what became of one race.
type lossRace struct {
	took    time.Duration // to the descriptor; lossPatience if there was none
	failed  bool
	mptcp   bool // the connection is MPTCP, also after the server's first words
	claimed bool // the helper said that it is
	told    string
	packets []lab.Packet
	delayed time.Duration // for how long the machine kept a ready thread or a due packet waiting, at most
}

// disturbed reports whether the race may be longer than it is on an idle machine, by
// more than the targets leave for it.
func (r lossRace) disturbed() bool { return r.delayed > 25*time.Millisecond+r.took/8 }

// raceUndisturbed repeats a race, with the same losses, until it is not disturbed, or
// has been so a few times.
func raceUndisturbed(n *lab.Network, argv []string, seed uint64, probe *lab.StallProbe) (r lossRace, repeats int, err error) {
	const tries = 5
	for ; ; repeats++ {
		if r, err = raceOnce(n, argv, seed, probe); err != nil || !r.disturbed() || repeats == tries-1 {
			return r, repeats, err
		}
	}
}

// raceOnce runs a helper.
func raceOnce(n *lab.Network, argv []string, seed uint64, probe *lab.StallProbe) (r lossRace, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lossPatience)
	defer cancel()
	n.Wire.Seed(seed)
	n.Wire.Mark()
	err = n.Near.Do(func() error {
		result, err := lab.Run(exec.CommandContext(ctx, argv[0], argv[1:]...))
		if err != nil {
			return err
		}
		r.delayed = max(n.Wire.Late(), probe.Worst(n.Wire.Marked()))
		r.told = result.Stderr
		r.claimed = strings.Contains(result.Stderr, "over MPTCP")
		if result.FD < 0 || result.ToFD >= lossPatience {
			r.took, r.failed = lossPatience, true
			if result.FD >= 0 {
				return unix.Close(result.FD)
			}
			return nil
		}
		defer unix.Close(result.FD)
		r.took = result.ToFD
		if result.Facts.MPTCP {
			r.mptcp, err = staysMPTCP(result.FD)
		}
		return err
	})
	r.packets = n.Wire.Packets()
	return r, err
}

// staysMPTCP reports whether a connection is still MPTCP when the server has said
// something: until then it may fall back (RFC 8684 section 3.7). As ssh does, it
// speaks first: that repeats the last ACK of the handshake, if it was lost.
func staysMPTCP(fd int) (bool, error) {
	if err := unix.SetNonblock(fd, false); err != nil {
		return false, err
	}
	limit := unix.NsecToTimeval(int64(lossPatience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return false, err
	}
	if _, err := unix.Write(fd, []byte(lab.Banner)); err != nil {
		return false, nil
	}
	var banner [4]byte
	for {
		_, err := unix.Read(fd, banner[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, nil // no session comes of it, whatever it is
		}
		return mptcp.InUseFD(fd)
	}
}

// isPaused reports whether races have made the kernel pause MPTCP.
func isPaused(n *lab.Network) (yes bool, err error) {
	err = n.Near.Do(func() (err error) {
		yes, err = mptcp.Paused()
		return err
	})
	return yes, err
}
