//go:build linux

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// DNS is a name server over UDP and TCP. Set and Add define its replies, and Behave how
// it treats all questions. The wire's loop serves it, so that its answers are as
// punctual as packets.
type DNS struct {
	Name string // in its queries

	wire *Wire
	host *Host
	at   netip.AddrPort
	wg   sync.WaitGroup // of TCP's goroutines

	// Under the wire's lock.
	udp      int          // -1 if it is closed
	tcp      net.Listener // nil if it is closed
	conns    map[net.Conn]bool
	behavior DNSBehavior
	zone     zone
	queries  []Query
	last     *answer // by UDP, of the pairs that DNSBehavior.Pair is about
}

// Query is a question that the server received.
type Query struct {
	At     time.Duration // of its arrival, since the wire's last Mark
	Name   string        // without the last dot, in lower case
	Type   dnsmessage.Type
	TCP    bool
	OPT    bool   // it had an OPT record (RFC 6891)
	Server string // DNS.Name
}

func (q Query) String() string {
	s := strings.TrimPrefix(q.Type.String(), "Type") + " " + q.Name
	if q.TCP {
		s += " over TCP"
	}
	if q.OPT {
		s += " with OPT"
	}
	if q.Server != "" {
		s += " at " + q.Server
	}
	return s
}

// ServeDNS starts a name server in the host. The caller closes it, before the
// wire.
func (w *Wire) ServeDNS(h *Host, at netip.AddrPort) (*DNS, error) {
	d := &DNS{wire: w, host: h, at: at, udp: -1, zone: zone{}, conns: map[net.Conn]bool{}}
	if err := d.Behave(DNSBehavior{}); err != nil {
		return nil, err
	}
	return d, nil
}

// Behave changes how the server treats questions from now on.
func (d *DNS) Behave(b DNSBehavior) error {
	d.wire.mu.Lock()
	d.behavior, d.last = b, nil
	open := d.udp >= 0
	var err error
	if b.Dead {
		err = d.closeUDP()
	}
	if b.Dead || b.TCP == Refuses {
		err = errors.Join(err, d.closeTCP())
	}
	listening := d.tcp != nil
	d.wire.mu.Unlock()
	if err == nil && !b.Dead && !open {
		err = d.host.Do(d.openUDP)
	}
	if err == nil && !b.Dead && b.TCP != Refuses && !listening {
		err = d.host.Do(d.openTCP)
	}
	if err != nil {
		return fmt.Errorf("dns: %w", errors.Join(err, d.Close()))
	}
	return nil
}

func (d *DNS) openUDP() error {
	domain, address := socketAddress(d.at)
	if six, ok := address.(*unix.SockaddrInet6); ok && d.at.Addr().Zone() != "" {
		link, err := net.InterfaceByName(d.at.Addr().Zone())
		if err != nil {
			return err
		}
		six.ZoneId = uint32(link.Index)
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, address); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	d.udp = fd
	d.wire.pollees = append(d.wire.pollees, pollee{fd, d.serveUDP})
	d.wire.wakeUp()
	return nil
}

func (d *DNS) openTCP() error {
	ln, err := net.Listen("tcp", d.at.String())
	if err != nil {
		return err
	}
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	d.tcp = ln
	d.wg.Go(func() { d.serveTCP(ln) })
	return nil
}

func (d *DNS) closeUDP() error {
	if d.udp < 0 {
		return nil
	}
	d.wire.pollees = slices.DeleteFunc(d.wire.pollees, func(g pollee) bool { return g.fd == d.udp })
	err := unix.Close(d.udp)
	d.udp = -1
	d.wire.awaitTurn() // a socket that is polled is not closed before that ends
	return err
}

func (d *DNS) closeTCP() (err error) {
	if d.tcp != nil {
		err = d.tcp.Close()
		d.tcp = nil
	}
	for c := range d.conns {
		c.Close()
	}
	return err
}

// Close stops the server; replies that are not due yet are not sent.
func (d *DNS) Close() error {
	d.wire.mu.Lock()
	err := errors.Join(d.closeUDP(), d.closeTCP())
	d.wire.mu.Unlock()
	d.wg.Wait()
	return err
}

// Set makes r the only reply to questions for name's records of a type.
func (d *DNS) Set(name string, kind dnsmessage.Type, r Reply) {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	d.zone[question{canonical(name), kind}] = []Reply{r}
}

// Add adds a reply to the same questions.
func (d *DNS) Add(name string, kind dnsmessage.Type, r Reply) {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	q := question{canonical(name), kind}
	d.zone[q] = append(d.zone[q], r)
}

// Queries returns the questions received since the wire's last Mark, in their order.
func (d *DNS) Queries() []Query {
	w := d.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catchUp()
	list := slices.DeleteFunc(slices.Clone(d.queries), func(q Query) bool { return q.At < w.mark })
	for i := range list {
		list[i].At -= w.mark
	}
	return list
}

// serveUDP reads the pending datagrams.
func (d *DNS) serveUDP() {
	var buf [1 << 12]byte
	for {
		n, from, err := unix.Recvfrom(d.udp, buf[:], 0)
		if errors.Is(err, unix.ECONNREFUSED) {
			continue // an answer nobody waited for
		}
		if err != nil {
			return
		}
		d.take(buf[:n], addrPort(from).Addr(), false, func(message []byte) {
			if d.udp >= 0 {
				unix.Sendto(d.udp, message, 0, from) // as lossy as UDP is
			}
		})
	}
}

func (d *DNS) serveTCP(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		d.wire.mu.Lock()
		open := d.tcp == ln
		if open {
			d.conns[c] = true
		}
		d.wire.mu.Unlock()
		if !open {
			c.Close()
			return
		}
		d.wg.Go(func() {
			d.serveConn(c)
			d.wire.mu.Lock()
			delete(d.conns, c)
			d.wire.mu.Unlock()
			c.Close()
		})
	}
}

func (d *DNS) serveConn(c net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, message); err != nil {
			return
		}
		d.wire.mu.Lock()
		d.take(message, netip.Addr{}, true, func(message []byte) {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
		})
		d.wire.wakeUp()
		d.wire.mu.Unlock()
	}
}

// answer is a reply that is not due yet, and its receiver.
type answer struct {
	message []byte
	client  netip.Addr
	asked   time.Duration
	send    func([]byte)
}

// take calls send with each reply to message when it is due.
func (d *DNS) take(message []byte, client netip.Addr, tcp bool, send func([]byte)) {
	var m dnsmessage.Message
	if m.Unpack(message) != nil || m.Response || len(m.Questions) == 0 {
		return
	}
	q := m.Questions[0]
	opt := slices.IndexFunc(m.Additionals, func(r dnsmessage.Resource) bool { return r.Header.Type == dnsmessage.TypeOPT })
	d.queries = append(d.queries, Query{d.wire.now(), canonical(q.Name.String()), q.Type, tcp, opt >= 0, d.Name})
	replies, aliases := d.zone.find(canonical(q.Name.String()), q.Type)
	if one, ok := d.behavior.reply(tcp, opt >= 0); ok {
		replies, aliases = []Reply{one}, nil
	}
	for _, r := range replies {
		if r.Silent {
			continue
		}
		out := r.message(m.ID, q, aliases, tcp)
		if opt >= 0 && d.behavior.OPT == Echoes {
			out.Additionals = append(out.Additionals, m.Additionals[opt])
		}
		packed, err := out.Pack()
		if err != nil {
			panic(fmt.Sprintf("lab: the reply to %s cannot be packed: %v", q.GoString(), err)) // the test's mistake
		}
		a := &answer{packed, client, d.wire.now(), send}
		after := r.After + d.behavior.Slow
		if d.behavior.Pair != Well && !tcp {
			if !d.pair(a) {
				continue
			}
			after = max(after, pairGap)
		}
		d.wire.after(after, func() { a.send(a.message) })
	}
}

// pair applies DNSBehavior.Pair to a and the answer before it. It reports whether a is
// sent at all.
func (d *DNS) pair(a *answer) bool {
	first := d.last
	d.last = a
	if first == nil || first.client != a.client || a.asked-first.asked > pairGap {
		return true
	}
	d.last = nil // a third one is again a first
	switch d.behavior.Pair {
	case DropsSecond:
		return false
	case MixesIDs:
		copy(a.message, first.message[:2])
	case Swaps:
		first.send, a.send = a.send, first.send
	}
	return true
}
