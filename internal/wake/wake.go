// Package wake sends Wake-on-LAN magic packets.
package wake

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// port is the UDP port of the discard service, which does not answer. The network adapter of
// a sleeping machine recognizes the packet by its content, whatever its port.
const port = 9

// ParseMAC parses a MAC address of 48 bits: magic packets cannot have longer ones.
func ParseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%q is not a MAC address such as 00:00:5e:00:53:01", text)
	}
	return mac, nil
}

// packet returns the magic packet for mac: six bytes 0xff, then the address 16 times.
func packet(mac net.HardwareAddr) []byte {
	return append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac, 16)...)
}

// Send sends a packet for each of macs on each interface that is up and not loopback: to the
// broadcast address of each IPv4 network, and to ff02::1. It needs no privilege. It returns
// how many packets were sent, and the errors of the interfaces on which none could be sent,
// or an error if there is no such interface.
func Send(macs []net.HardwareAddr) (sent int, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return 0, err
	}
	return sendOnAll(all, func(i *net.Interface) (int, error) { return sendOn(i, macs) })
}

// errNoInterface says that no interface that is up has a network to send on.
var errNoInterface = errors.New("no interface that is up can send it")

// sendOnAll calls send for each interface of all that is up and not loopback, and adds up
// the results.
func sendOnAll(all []net.Interface, send func(*net.Interface) (int, error)) (sent int, failed error) {
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		n, err := send(&i)
		if sent += n; n == 0 && err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", i.Name, err))
		}
	}
	if sent == 0 && failed == nil {
		failed = errNoInterface
	}
	return sent, failed
}

// sendOn sends on one interface, and returns how many packets were sent.
func sendOn(i *net.Interface, macs []net.HardwareAddr) (sent int, err error) {
	send := func(network string, from, to net.IP, zone string) {
		n, e := sendTo(network, i.Name, from, &net.UDPAddr{IP: to, Port: port, Zone: zone}, macs)
		sent, err = sent+n, errors.Join(err, e)
	}
	if i.Flags&net.FlagBroadcast != 0 {
		addrs, e := i.Addrs()
		err = e
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				if to := broadcast(n); to != nil {
					send("udp4", n.IP, to, "")
				}
			}
		}
	}
	if i.Flags&net.FlagMulticast != 0 {
		send("udp6", net.IPv6unspecified, net.IPv6linklocalallnodes, i.Name)
	}
	return sent, err
}

// broadcast returns the broadcast address of n, or nil if it has none (RFC 3021).
func broadcast(n *net.IPNet) net.IP {
	if ones, bits := n.Mask.Size(); bits-ones < 2 {
		return nil
	}
	ip, mask := n.IP.To4(), n.Mask[len(n.Mask)-4:]
	to := make(net.IP, 4)
	for i := range to {
		to[i] = ip[i] | ^mask[i]
	}
	return to
}

// sendTo sends a packet for each of macs from one socket. The socket is bound to the
// interface if possible, because two interfaces can have networks with the same addresses.
func sendTo(network, iface string, from net.IP, to *net.UDPAddr, macs []net.HardwareAddr) (sent int, err error) {
	fromAddr := &net.UDPAddr{IP: from}
	c, err := net.ListenUDP(network, fromAddr) // it sets SO_BROADCAST
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { bindToDevice(int(fd), iface) })
	}
	for _, mac := range macs {
		_, e := c.WriteToUDP(packet(mac), to)
		if e == nil {
			sent++
		}
		var errno syscall.Errno
		if errors.As(e, &errno) { // leave out the addresses
			e = errno
		}
		err = errors.Join(err, e)
	}
	return sent, err
}
