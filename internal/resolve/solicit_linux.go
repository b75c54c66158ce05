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

// solicitTimes has the times of one SolicitNeighbor.
type solicitTimes struct {
	// sweepAfter is the time from the first ping, which is one packet per link, to the
	// datagrams to every IPv4 address. A host that answers over IPv6 may win the race
	// before that, which saves the link all of these.
	sweepAfter time.Duration

	// pingAgain is the time to the second ping, in case the first was lost, and
	// pingTimeout how long an answer to that may take.
	pingAgain, pingTimeout time.Duration

	// arpTimeout is how long the kernel tries to resolve one IPv4 address: three
	// times, 1 s apart (arp(7), mcast_solicit and retrans_time_ms).
	arpTimeout time.Duration
}

var solicitDefaults = solicitTimes{
	sweepAfter:  250 * time.Millisecond,
	pingAgain:   time.Second,
	pingTimeout: time.Second,
	arpTimeout:  3 * time.Second,
}

const (
	// minSweepBits is the prefix length of the largest network that is swept.
	minSweepBits = 24

	// maxSweepAddrs is how many addresses are swept in all. The kernel's table has
	// room for 1024 (arp(7), gc_thresh3). When it is full, the kernel drops packets to
	// hosts that are not in it.
	maxSweepAddrs = 512
)

// SolicitNeighbor makes the host with that MAC address appear in the kernel's
// neighbor table. It calls found with the addresses that the table has or gets, each
// once. network is "ip4", "ip6", or "ip" for both families. It needs no privilege.
//
// For IPv6 it sends an ICMPv6 echo request to all nodes of each link (ff02::1). Before a
// host can answer, it has to ask for our MAC address, which reveals its own. In case it
// knew ours, each host that answers gets an echo request of its own, for which the kernel
// has to ask for the MAC address of the host. Only the groups in
// net.ipv4.ping_group_range may open the socket for this. For IPv4 it sends an empty UDP
// datagram to each address of each link's network (to port 9, discard), for which the
// kernel has to ask by ARP who has the address. With "ip" this starts 250 ms later.
//
// SolicitNeighbor returns nil once it has found each family, or after about 3 s if it
// has found one. Otherwise the error says who was asked. It returns an error that
// wraps ctx's as soon as ctx ends.
func SolicitNeighbor(ctx context.Context, network string, mac net.HardwareAddr, found func([]netip.Addr)) error {
	all, err := links()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(l link) bool { return !l.hasMACs() })
	if len(all) == 0 {
		return errNoLink
	}
	// Notifications first and the table second, so that no change is missed.
	notifications, err := watchNeighbors()
	if err != nil {
		return err
	}
	defer notifications.Close()
	defer context.AfterFunc(ctx, func() { _ = notifications.SetReadDeadline(time.Unix(1, 0)) })()

	s := solicitation{network: network, mac: mac, links: all, found: found, times: solicitDefaults}
	defer s.close()
	if err := s.readTable(); err != nil || s.complete() {
		return err
	}
	for start, steps := time.Now(), s.plan(); !s.complete() && len(steps) > 0; {
		if wait := steps[0].at - time.Since(start); wait > 0 {
			_ = notifications.SetReadDeadline(time.Now().Add(wait))
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("look for %s: %w", mac, err)
			}
			if err := s.receive(notifications); err != nil {
				return err
			}
			continue
		}
		steps[0].run()
		steps = steps[1:]
	}
	return s.err()
}

// watchNeighbors opens a socket that receives every change of the neighbor table.
func watchNeighbors() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("watch the neighbor table: socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_NEIGH}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("watch the neighbor table: bind", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// A solicitation is the state of one call of SolicitNeighbor.
type solicitation struct {
	network string
	mac     net.HardwareAddr
	links   []link
	found   func([]netip.Addr)
	times   solicitTimes

	known   []netip.Addr // those that found was called with
	asked   []string     // links and networks
	skipped []string     // links and networks that were not asked, and why

	echo     *net.UDPConn  // for ICMPv6; nil before the first ping
	echoDone chan struct{} // closed when nobody reads echo
}

// readTable reports the addresses in the neighbor table.
func (s *solicitation) readTable() error {
	addrs, err := neighbors(s.network, s.mac)
	s.report(addrs)
	return err
}

// receive waits for the next change of the neighbor table, or until the read deadline
// of notifications.
func (s *solicitation) receive(notifications *os.File) error {
	var buf [1 << 13]byte // a message has under 200 bytes
	n, err := notifications.Read(buf[:])
	switch {
	case err == nil:
		s.report(neighborAddrs(buf[:n], s.network, s.mac))
	case errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, unix.ENOBUFS): // the socket's buffer was full: messages are missing
		return s.readTable()
	default:
		return fmt.Errorf("watch the neighbor table: %w", err)
	}
	return nil
}

// report calls found with those addrs that are new.
func (s *solicitation) report(addrs []netip.Addr) {
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return slices.Contains(s.known, a) })
	if len(addrs) > 0 {
		s.known = append(s.known, addrs...)
		s.found(addrs)
	}
}

// complete reports whether there is an address of each family that was asked for.
func (s *solicitation) complete() bool {
	has4 := slices.ContainsFunc(s.known, netip.Addr.Is4)
	has6 := slices.ContainsFunc(s.known, netip.Addr.Is6)
	return (has4 || s.network == "ip6") && (has6 || s.network == "ip4")
}

// A step is a function to run at a time, which counts from the start.
type step struct {
	at  time.Duration
	run func()
}

// plan starts with the cheaper of the possible ways, and returns the steps that follow. The
// last step does nothing, and marks the end.
func (s *solicitation) plan() []step {
	end := func() {}
	if s.network != "ip4" {
		s.ping()
	}
	switch pinged := len(s.asked) > 0; {
	case s.network == "ip6" && pinged:
		return []step{{s.times.pingAgain, s.ping}, {s.times.pingAgain + s.times.pingTimeout, end}}
	case s.network == "ip6":
		return nil
	case s.network == "ip" && !pinged:
		s.network = "ip4"
	case pinged:
		return []step{{s.times.sweepAfter, s.sweep}, {s.times.pingAgain, s.ping}, {s.times.sweepAfter + s.times.arpTimeout, end}}
	}
	s.sweep()
	if len(s.asked) == 0 {
		return nil
	}
	return []step{{s.times.arpTimeout, end}}
}

// allNodes is the link-local address of all nodes (RFC 4291 section 2.7.1).
var allNodes = netip.MustParseAddr("ff02::1")

// ping sends an echo request to all nodes of each link that has IPv6.
func (s *solicitation) ping() {
	if s.echo == nil {
		err := s.openEcho()
		if errors.Is(err, unix.EACCES) {
			note(&s.skipped, `IPv6, as the kernel forbids ping (sysctl net.ipv4.ping_group_range="0 2147483647")`)
			return
		}
		if err != nil {
			note(&s.skipped, fmt.Sprintf("IPv6: %v", err))
			return
		}
	}
	for _, l := range s.links {
		if !l.hasIPv6() {
			continue
		}
		if err := s.sendEcho(allNodes.WithZone(l.Name)); err != nil {
			note(&s.skipped, fmt.Sprintf("IPv6 on %s: %v", l.Name, err))
			continue
		}
		note(&s.asked, "IPv6 on "+l.Name)
	}
}

func (s *solicitation) openEcho() error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	c, ok := asUDP(os.NewFile(uintptr(fd), "icmp"))
	if !ok {
		return errors.ErrUnsupported
	}
	s.echo, s.echoDone = c, make(chan struct{})
	go s.echoReplies()
	return nil
}

func (s *solicitation) sendEcho(to netip.Addr) error {
	const echoRequest = 128 // RFC 4443 section 4.1
	_, err := s.echo.WriteToUDPAddrPort([]byte{echoRequest, 7: 1}, netip.AddrPortFrom(to, 0))
	return err
}

// echoReplies sends an echo request to each host that has answered one, so that the kernel
// asks for its MAC address: see SolicitNeighbor.
func (s *solicitation) echoReplies() {
	defer close(s.echoDone)
	var buf [64]byte
	for asked := map[netip.Addr]bool{}; len(asked) < maxSweepAddrs; {
		_, from, err := s.echo.ReadFromUDPAddrPort(buf[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && !asked[from.Addr()] {
			asked[from.Addr()] = true
			_ = s.sendEcho(from.Addr()) // the host answers the next ping as well
		}
	}
}

func (s *solicitation) close() {
	if s.echo != nil {
		s.echo.Close()
		<-s.echoDone
	}
}

// sweep makes the kernel ask for each address in the network of each link, unless that is
// too large.
func (s *solicitation) sweep() {
	left := maxSweepAddrs
	for _, l := range s.links {
		network, ok := l.ipv4()
		switch n := sweepSize(network); {
		case !ok:
		case n == 0:
			note(&s.skipped, fmt.Sprintf("%s, which is larger than a /%d", network.Masked(), minSweepBits))
		case n > left:
			note(&s.skipped, fmt.Sprintf("%s, one network too many", network.Masked()))
		default:
			left -= n
			if err := sweep(network); err != nil {
				note(&s.skipped, fmt.Sprintf("%s: %v", network.Masked(), err))
				continue
			}
			note(&s.asked, network.Masked().String())
		}
	}
}

// sweepSize returns the number of addresses in a network that may be swept, and 0
// for others.
func sweepSize(network netip.Prefix) int {
	if !network.IsValid() || network.Bits() < minSweepBits {
		return 0
	}
	return 1 << (32 - network.Bits())
}

// sweep sends a datagram from the host's own address to every other one in its
// network.
func sweep(local netip.Prefix) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	// Datagrams count against the socket's buffer until the address is resolved, and
	// 256 fill the default one. The kernel lowers this to net.core.wmem_max.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	const discard = 9 // RFC 863
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: local.Addr().As4()}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	for a := local.Masked().Addr(); local.Contains(a); a = a.Next() {
		if a == local.Addr() {
			continue
		}
		// EACCES: the network's own address and its broadcast address.
		if err := unix.Sendto(fd, nil, 0, &unix.SockaddrInet4{Addr: a.As4(), Port: discard}); err != nil && err != unix.EACCES {
			return os.NewSyscallError("send", err)
		}
	}
	return nil
}

// note appends text to list if it is not there.
func note(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// err returns nil if an address was found, and otherwise an error that says who was asked.
func (s *solicitation) err() error {
	if len(s.known) > 0 {
		return nil
	}
	text := "nobody could be asked"
	if len(s.asked) > 0 {
		text = "no answer from " + strings.Join(s.asked, ", ")
	}
	if len(s.skipped) > 0 {
		text += "; not asked: " + strings.Join(s.skipped, ", ")
	}
	return fmt.Errorf("look for %s: %s", s.mac, text)
}
