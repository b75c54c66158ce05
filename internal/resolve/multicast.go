package resolve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// queryGaps are the times between two queries.
var queryGaps = []time.Duration{250 * time.Millisecond, 750 * time.Millisecond}

// The groups of RFC 6762 section 3.
var (
	mdnsIPv4 = netip.MustParseAddrPort("224.0.0.251:5353")
	mdnsIPv6 = netip.MustParseAddrPort("[ff02::fb]:5353")
)

// askLinks asks the hosts of every link for host's addresses, in a one-shot
// multicast query (RFC 6762 section 5.1) over IPv4 and IPv6, and returns those
// of the first response.
//
// As the query does not come from port 5353, responders treat it as one from a resolver
// of unicast DNS, and send the response to the port that it came from (section 6.7). Some
// respond to the group only: askLinks also listens there, on systems where port 5353 can
// be shared.
func askLinks(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q, err := newQuestion(network, host)
	if err != nil {
		return nil, err
	}
	all, err := links()
	if err != nil {
		return nil, err
	}
	var senders, listeners []*mdnsConn
	var asked []string
	for _, l := range all {
		if s := openSenders(l); len(s) > 0 {
			senders = append(senders, s...)
			listeners = append(listeners, openListeners(l)...)
			asked = append(asked, l.Name)
		}
	}
	if len(senders) == 0 {
		return nil, errors.New(`no network interface is up that can send multicast ("ip address" lists them)`)
	}
	addrs, err := q.ask(ctx, senders, listeners)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer on %s", strings.Join(asked, ", "))
	}
	return addrs, err
}

// An mdnsConn is a socket on one link.
type mdnsConn struct {
	*net.UDPConn
	link  link
	group netip.AddrPort // where a sender sends to; not valid for a listener
}

// openSenders opens a socket at l's own address of each family. Linux sends a
// multicast on the interface that has the address a socket is bound to.
func openSenders(l link) (senders []*mdnsConn) {
	if !l.isMulticast() {
		return nil
	}
	if p, ok := l.ipv4(); ok {
		local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Addr(), 0))
		if c, err := net.ListenUDP("udp4", local); err == nil {
			senders = append(senders, &mdnsConn{c, l, mdnsIPv4})
		}
	}
	if a, ok := l.linkLocal(); ok {
		local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0))
		if c, err := net.ListenUDP("udp6", local); err == nil {
			group := netip.AddrPortFrom(mdnsIPv6.Addr().WithZone(l.Name), mdnsIPv6.Port())
			senders = append(senders, &mdnsConn{c, l, group})
		}
	}
	return senders
}

// openListeners opens a socket for each group on l. It ignores errors.
func openListeners(l link) (listeners []*mdnsConn) {
	for _, group := range []netip.AddrPort{mdnsIPv4, mdnsIPv6} {
		f, err := joinGroup(group, l.Index)
		if err != nil {
			continue
		}
		if c, ok := asUDP(f); ok {
			listeners = append(listeners, &mdnsConn{UDPConn: c, link: l})
		}
	}
	return listeners
}

// asUDP returns the socket of f as a net.UDPConn. It closes f.
func asUDP(f *os.File) (c *net.UDPConn, ok bool) {
	defer f.Close()
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, false
	}
	c, ok = conn.(*net.UDPConn)
	return c, ok
}

// A question is what a query asks.
type question struct {
	id    uint16
	name  dnsmessage.Name
	qtype dnsmessage.Type
	query []byte // the message to send
}

// topBit of a class asks for a response by unicast in a question (RFC 6762 section
// 5.4), and is the cache-flush bit in a resource record (section 10.2).
const topBit = 1 << 15

func newQuestion(network, host string) (q question, err error) {
	if q.name, err = dnsmessage.NewName(strings.TrimSuffix(host, ".") + "."); err != nil {
		return q, fmt.Errorf("%q is not a domain name: %w", host, err)
	}
	q.id = uint16(rand.Uint32())
	q.qtype = dnsmessage.TypeA
	if network == "ip6" {
		q.qtype = dnsmessage.TypeAAAA
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id},
		Questions: []dnsmessage.Question{{Name: q.name, Type: q.qtype, Class: dnsmessage.ClassINET | topBit}},
	}
	if q.query, err = m.Pack(); err != nil {
		return q, fmt.Errorf("%q is not a domain name: %w", host, err)
	}
	return q, nil
}

// ask sends q, and again after queryGaps, until there is a response or ctx ends. It closes
// senders and listeners, and waits for the goroutines that read from them.
func (q *question) ask(ctx context.Context, senders, listeners []*mdnsConn) ([]netip.Addr, error) {
	responses := make(chan []netip.Addr)
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	for _, c := range append(senders, listeners...) {
		defer c.Close()
		wg.Go(func() {
			for {
				addrs, err := q.receive(c)
				if err != nil {
					return
				}
				select {
				case responses <- addrs:
				case <-done:
				}
			}
		})
	}
	next := time.NewTimer(0)
	defer next.Stop()
	for gaps := queryGaps; ; {
		select {
		case addrs := <-responses:
			return addrs, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-next.C:
			if err := q.send(senders); err != nil {
				return nil, err
			}
			if len(gaps) > 0 {
				next.Reset(gaps[0])
				gaps = gaps[1:]
			}
		}
	}
}

// send sends q from every sender. It returns an error if none could send.
func (q *question) send(senders []*mdnsConn) (err error) {
	sent := false
	for _, c := range senders {
		if _, err = c.WriteToUDPAddrPort(q.query, c.group); err == nil {
			sent = true
		}
	}
	if sent {
		return nil
	}
	return err
}

// receive returns the addresses of the next response that arrives at c. After an error,
// usually because c was closed, there will be no other response.
func (q *question) receive(c *mdnsConn) ([]netip.Addr, error) {
	var buf [9000]byte // RFC 6762 section 17
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return nil, err
		}
		// Only hosts on the link can send to the group. Any host can send to our own
		// address; those that are not on the link must be ignored (RFC 6762 section 11).
		multicast := !c.group.IsValid()
		if !multicast && !c.link.contains(from.Addr()) {
			continue
		}
		addrs := q.parse(buf[:n], multicast)
		for i, a := range addrs {
			addrs[i] = scoped(a, c.link.Index)
		}
		if len(addrs) > 0 {
			return addrs, nil
		}
	}
}

// parse returns the addresses that a message has for q's name, of the type that q
// asks for. The ID of a multicast response is not compared: it is 0 (RFC 6762
// section 18.1).
func (q *question) parse(message []byte, multicast bool) (addrs []netip.Addr) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.OpCode != 0 || h.RCode != dnsmessage.RCodeSuccess || !multicast && h.ID != q.id {
		return nil
	}
	if p.SkipAllQuestions() != nil {
		return nil
	}
	addrs = q.parseSection(&p, p.AnswerHeader, p.SkipAnswer, addrs)
	if p.SkipAllAuthorities() != nil {
		return addrs
	}
	return q.parseSection(&p, p.AdditionalHeader, p.SkipAdditional, addrs)
}

// parseSection appends the addresses of one section to addrs.
func (q *question) parseSection(p *dnsmessage.Parser, header func() (dnsmessage.ResourceHeader, error), skip func() error, addrs []netip.Addr) []netip.Addr {
	for {
		h, err := header()
		if err != nil {
			return addrs // the section's end, or the message's
		}
		if !q.matches(h) {
			if skip() != nil {
				return addrs
			}
			continue
		}
		var a netip.Addr
		if q.qtype == dnsmessage.TypeA {
			var r dnsmessage.AResource
			r, err = p.AResource()
			a = netip.AddrFrom4(r.A)
		} else {
			var r dnsmessage.AAAAResource
			r, err = p.AAAAResource()
			a = netip.AddrFrom16(r.AAAA)
		}
		if err != nil {
			return addrs
		}
		// No other host has such an address.
		if !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.Is4In6() {
			addrs = append(addrs, a)
		}
	}
}

// matches reports whether the record answers q. A record with a TTL of 0 is being
// withdrawn (RFC 6762 section 10.1).
func (q *question) matches(h dnsmessage.ResourceHeader) bool {
	return h.Type == q.qtype && h.Class&^topBit == dnsmessage.ClassINET && h.TTL != 0 &&
		strings.EqualFold(h.Name.String(), q.name.String())
}
