package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sweepAfter is how long the hosts of IPv6, who are asked by one packet a
	// link, have time before every IPv4 address is asked: a host that answers
	// spares the link the sweep.
	sweepAfter = 250 * time.Millisecond

	// pingAgain is when the one packet is sent once more, should it be lost.
	pingAgain = time.Second

	// answerTime is how long after the last ping an answer is waited for.
	answerTime = time.Second

	// arpTime is how long the kernel asks for one IPv4 address: three times, a
	// second apart (arp(7), mcast_solicit and retrans_time_ms).
	arpTime = 3 * time.Second

	// smallNet is the prefix of the largest net of which every address is asked,
	// and sweepMax how many are in all: the kernel's table is full with 1024
	// (arp(7), gc_thresh3), and then refuses everybody else's packets.
	smallNet = 24
	sweepMax = 512
)

// SolicitNeighbor makes the host with that MAC address show itself to this one's
// kernel, and calls found with each of its addresses that the neighbour table
// has or gets, once. network is "ip4", "ip6", or "ip" for both families. It
// needs no privilege.
//
// For IPv6 an ICMPv6 echo request goes to all nodes of each link (ff02::1): who
// answers must ask for our MAC address, and so tells its own, or knows ours, and
// then gets a ping for itself, before which the kernel asks. A socket for that is
// for the groups of net.ipv4.ping_group_range only. For IPv4 each address of
// each link's net gets an empty UDP datagram (to port 9, discard), before which
// the kernel asks by ARP who has it; with "ip" that is put off by 250 ms.
//
// It returns nil as soon as each family has been found, or after about 3 s if one
// has; else an error says who was asked. When ctx ends it returns ctx's error at
// once.
func SolicitNeighbor(ctx context.Context, network string, mac net.HardwareAddr, found func([]netip.Addr)) error {
	all, err := links()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(l link) bool { return !l.hasMACs() })
	if len(all) == 0 {
		return errNoLink
	}
	// Listen first, and look second, so that nothing falls in between.
	w, err := watchNeighbours()
	if err != nil {
		return err
	}
	defer w.Close()
	defer context.AfterFunc(ctx, func() { _ = w.SetReadDeadline(time.Unix(1, 0)) })()

	p := provocation{network: network, mac: mac, links: all, found: found}
	defer p.close()
	if err := p.look(); err != nil || p.complete() {
		return err
	}
	for began, steps := time.Now(), p.plan(); !p.complete() && len(steps) > 0; {
		if wait := steps[0].at - time.Since(began); wait > 0 {
			_ = w.SetReadDeadline(time.Now().Add(wait))
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("look for %s: %w", mac, err)
			}
			if err := p.listen(w); err != nil {
				return err
			}
			continue
		}
		steps[0].do()
		steps = steps[1:]
	}
	return p.err()
}

// watchNeighbours opens a socket that hears of every change of the table.
func watchNeighbours() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("watch the neighbour table: socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_NEIGH}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("watch the neighbour table: bind", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// A provocation is one SolicitNeighbor under way.
type provocation struct {
	network string
	mac     net.HardwareAddr
	links   []link
	found   func([]netip.Addr)

	known []netip.Addr
	asked []string // the links and nets that were
	not   []string // those that were not, and why

	echo     *net.UDPConn  // of ICMPv6; nil before the first ping
	answered chan struct{} // closed when nobody reads it any more
}

// look takes what the table has.
func (p *provocation) look() error {
	addrs, err := neighbours(p.network, p.mac)
	p.take(addrs)
	return err
}

// listen waits for the next change of the table, until w's deadline.
func (p *provocation) listen(w *os.File) error {
	var buf [1 << 13]byte // a message has under 200 bytes
	n, err := w.Read(buf[:])
	switch {
	case err == nil:
		p.take(seenIn(buf[:n], p.network, p.mac))
	case errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, unix.ENOBUFS): // there were more than it could hold
		return p.look()
	default:
		return fmt.Errorf("watch the neighbour table: %w", err)
	}
	return nil
}

func (p *provocation) take(addrs []netip.Addr) {
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return slices.Contains(p.known, a) })
	if len(addrs) > 0 {
		p.known = append(p.known, addrs...)
		p.found(addrs)
	}
}

// complete says whether there is an address of each family that is wanted.
func (p *provocation) complete() bool {
	four := slices.ContainsFunc(p.known, netip.Addr.Is4)
	six := slices.ContainsFunc(p.known, netip.Addr.Is6)
	return (four || p.network == "ip6") && (six || p.network == "ip4")
}

// A step is something that is done at a time since the beginning.
type step struct {
	at time.Duration
	do func()
}

// plan asks in the cheapest way that there is here, and then in the next.
func (p *provocation) plan() []step {
	nothing := func() {}
	if p.network != "ip4" {
		p.ping()
	}
	switch pinged := len(p.asked) > 0; {
	case p.network == "ip6" && pinged:
		return []step{{pingAgain, p.ping}, {pingAgain + answerTime, nothing}}
	case p.network == "ip6":
		return nil
	case p.network == "ip" && !pinged:
		p.network = "ip4"
	case pinged:
		return []step{{sweepAfter, p.sweep}, {pingAgain, p.ping}, {sweepAfter + arpTime, nothing}}
	}
	p.sweep()
	if len(p.asked) == 0 {
		return nil
	}
	return []step{{arpTime, nothing}}
}

// allNodes is everybody on a link (RFC 4291 section 2.7.1).
var allNodes = netip.MustParseAddr("ff02::1")

// ping sends an echo request to all nodes of each link that has IPv6.
func (p *provocation) ping() {
	if p.echo == nil {
		err := p.openEcho()
		if errors.Is(err, unix.EACCES) {
			p.note(&p.not, `IPv6, as the kernel forbids ping (sysctl net.ipv4.ping_group_range="0 2147483647")`)
			return
		}
		if err != nil {
			p.note(&p.not, fmt.Sprintf("IPv6: %v", err))
			return
		}
	}
	for _, l := range p.links {
		if !l.hasIPv6() {
			continue
		}
		if err := p.echoTo(allNodes.WithZone(l.Name)); err != nil {
			p.note(&p.not, fmt.Sprintf("IPv6 on %s: %v", l.Name, err))
			continue
		}
		p.note(&p.asked, "IPv6 on "+l.Name)
	}
}

func (p *provocation) openEcho() error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	c, ok := asUDP(os.NewFile(uintptr(fd), "icmp"))
	if !ok {
		return errors.ErrUnsupported
	}
	p.echo, p.answered = c, make(chan struct{})
	go p.answer()
	return nil
}

func (p *provocation) echoTo(to netip.Addr) error {
	const echoRequest = 128 // RFC 4443 section 4.1
	_, err := p.echo.WriteToUDPAddrPort([]byte{echoRequest, 7: 1}, netip.AddrPortFrom(to, 0))
	return err
}

// answer sends an echo request to each who answers one, for which the kernel
// asks for its MAC address: who knew ours had no need to ask for it.
func (p *provocation) answer() {
	defer close(p.answered)
	var buf [64]byte
	for met := map[netip.Addr]bool{}; len(met) < sweepMax; {
		_, from, err := p.echo.ReadFromUDPAddrPort(buf[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && !met[from.Addr()] {
			met[from.Addr()] = true
			_ = p.echoTo(from.Addr()) // the next ping is another chance
		}
	}
}

func (p *provocation) close() {
	if p.echo != nil {
		p.echo.Close()
		<-p.answered
	}
}

// sweep makes the kernel ask for each address of each small net.
func (p *provocation) sweep() {
	left := sweepMax
	for _, l := range p.links {
		net, ok := l.ipv4()
		switch n := hosts(net); {
		case !ok:
		case n == 0:
			p.note(&p.not, fmt.Sprintf("%s, which is larger than a /%d", net.Masked(), smallNet))
		case n > left:
			p.note(&p.not, fmt.Sprintf("%s, one net too many", net.Masked()))
		default:
			left -= n
			if err := sweep(net); err != nil {
				p.note(&p.not, fmt.Sprintf("%s: %v", net.Masked(), err))
				continue
			}
			p.note(&p.asked, net.Masked().String())
		}
	}
}

// hosts is the number of addresses in a net that is small, and 0 for others.
func hosts(net netip.Prefix) int {
	if !net.IsValid() || net.Bits() < smallNet {
		return 0
	}
	return 1 << (32 - net.Bits())
}

// sweep sends a datagram to each address of the net but the host's own, from
// there.
func sweep(net netip.Prefix) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	// The kernel keeps the datagrams at the expense of the socket's buffer
	// while it asks. As they are, 256 fill it: it gets the most it may have.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	const discard = 9 // RFC 863
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: net.Addr().As4()}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	for a := net.Masked().Addr(); net.Contains(a); a = a.Next() {
		if a == net.Addr() {
			continue
		}
		// The net's own and its broadcast address are refused, EACCES.
		if err := unix.Sendto(fd, nil, 0, &unix.SockaddrInet4{Addr: a.As4(), Port: discard}); err != nil && err != unix.EACCES {
			return os.NewSyscallError("send", err)
		}
	}
	return nil
}

func (p *provocation) note(list *[]string, what string) {
	if !slices.Contains(*list, what) {
		*list = append(*list, what)
	}
}

// err is nil if anything has been found.
func (p *provocation) err() error {
	if len(p.known) > 0 {
		return nil
	}
	says := "nobody could be asked"
	if len(p.asked) > 0 {
		says = "no answer from " + strings.Join(p.asked, ", ")
	}
	if len(p.not) > 0 {
		says += "; not asked: " + strings.Join(p.not, ", ")
	}
	return fmt.Errorf("look for %s: %s", p.mac, says)
}
