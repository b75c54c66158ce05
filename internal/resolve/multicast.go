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

// askGaps are the times from one query to the next.
var askGaps = []time.Duration{250 * time.Millisecond, 750 * time.Millisecond}

// The groups of RFC 6762 section 3.
var (
	mdnsIPv4 = netip.MustParseAddrPort("224.0.0.251:5353")
	mdnsIPv6 = netip.MustParseAddrPort("[ff02::fb]:5353")
)

// askLinks asks the hosts of every link for host's addresses, in a one-shot
// multicast query (RFC 6762 section 5.1) over IPv4 and IPv6, and returns those
// of the first answer.
//
// From a port that is not 5353 the query is a legacy one, which responders
// answer to that port (section 6.7). Some answer to the group only: it is
// listened to as well, on systems where port 5353 can be shared.
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
	var mouths, ears []*ear
	var asked []string
	for _, l := range all {
		if m := openMouths(l); len(m) > 0 {
			mouths = append(mouths, m...)
			ears = append(ears, openEars(l)...)
			asked = append(asked, l.Name)
		}
	}
	if len(mouths) == 0 {
		return nil, errors.New(`no network interface is up that could be asked on ("ip address" lists them)`)
	}
	addrs, err := q.ask(ctx, mouths, ears)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer on %s", strings.Join(asked, ", "))
	}
	return addrs, err
}

// An ear is a socket that hears what arrives at one interface.
type ear struct {
	*net.UDPConn
	index int // of the interface
	group bool
	to    netip.AddrPort // where a mouth's words go
}

// openMouths opens a socket at l's own address of each family. Linux sends
// multicasts by the interface whose address a socket is bound to.
func openMouths(l link) (mouths []*ear) {
	if !l.hears() {
		return nil
	}
	if p, ok := l.ipv4(); ok {
		at := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Addr(), 0))
		if c, err := net.ListenUDP("udp4", at); err == nil {
			mouths = append(mouths, &ear{UDPConn: c, index: l.Index, to: mdnsIPv4})
		}
	}
	if a, ok := l.linkLocal(); ok {
		at := net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0))
		if c, err := net.ListenUDP("udp6", at); err == nil {
			to := netip.AddrPortFrom(mdnsIPv6.Addr().WithZone(l.Name), mdnsIPv6.Port())
			mouths = append(mouths, &ear{UDPConn: c, index: l.Index, to: to})
		}
	}
	return mouths
}

// openEars joins the groups on l. An ear that cannot be had is one less.
func openEars(l link) (ears []*ear) {
	for _, group := range []netip.AddrPort{mdnsIPv4, mdnsIPv6} {
		f, err := joinGroup(group, l.Index)
		if err != nil {
			continue
		}
		if c, ok := asUDP(f); ok {
			ears = append(ears, &ear{UDPConn: c, index: l.Index, group: true})
		}
	}
	return ears
}

// asUDP closes f.
func asUDP(f *os.File) (c *net.UDPConn, ok bool) {
	defer f.Close()
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, false
	}
	c, ok = conn.(*net.UDPConn)
	return c, ok
}

// A question is one query, in the bytes that are sent.
type question struct {
	id   uint16
	name dnsmessage.Name
	kind dnsmessage.Type
	wire []byte
}

// unicast is the bit of a question's class that asks for a unicast answer (RFC
// 6762 section 5.4). In an answer's class it means something else.
const unicast = 1 << 15

func newQuestion(network, host string) (q question, err error) {
	if q.name, err = dnsmessage.NewName(strings.TrimSuffix(host, ".") + "."); err != nil {
		return q, fmt.Errorf("%q: not a name that can be asked for: %w", host, err)
	}
	q.id = uint16(rand.Uint32())
	q.kind = dnsmessage.TypeA
	if network == "ip6" {
		q.kind = dnsmessage.TypeAAAA
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id},
		Questions: []dnsmessage.Question{{Name: q.name, Type: q.kind, Class: dnsmessage.ClassINET | unicast}},
	}
	if q.wire, err = m.Pack(); err != nil {
		return q, fmt.Errorf("%q: not a name that can be asked for: %w", host, err)
	}
	return q, nil
}

// ask repeats q until there is an answer or ctx ends. It closes mouths and ears,
// and waits until nobody listens any more.
func (q question) ask(ctx context.Context, mouths, ears []*ear) ([]netip.Addr, error) {
	answers := make(chan []netip.Addr)
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	for _, e := range append(mouths, ears...) {
		defer e.Close()
		wg.Go(func() {
			for {
				addrs, err := q.listen(e)
				if err != nil {
					return
				}
				select {
				case answers <- addrs:
				case <-done:
				}
			}
		})
	}
	again := time.NewTimer(0)
	defer again.Stop()
	for gaps := askGaps; ; {
		select {
		case addrs := <-answers:
			return addrs, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-again.C:
			if err := q.say(mouths); err != nil {
				return nil, err
			}
			if len(gaps) > 0 {
				again.Reset(gaps[0])
				gaps = gaps[1:]
			}
		}
	}
}

// say fails if no mouth could say it.
func (q question) say(mouths []*ear) (err error) {
	said := false
	for _, m := range mouths {
		if _, err = m.WriteToUDPAddrPort(q.wire, m.to); err == nil {
			said = true
		}
	}
	if said {
		return nil
	}
	return err
}

// listen returns the next answer that e hears. An error means that it hears no
// more, as a rule because it is closed.
func (q question) listen(e *ear) ([]netip.Addr, error) {
	var buf [9000]byte // RFC 6762 section 17
	for {
		n, _, err := e.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return nil, err
		}
		addrs := q.parse(buf[:n], e.group)
		for i, a := range addrs {
			addrs[i] = scoped(a, e.index)
		}
		if len(addrs) > 0 {
			return addrs, nil
		}
	}
}

// parse returns the addresses that a message gives q's name, of the kind that q
// asks for. An answer to the group has no ID to compare (RFC 6762 section
// 18.1).
func (q question) parse(message []byte, group bool) (addrs []netip.Addr) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.OpCode != 0 || h.RCode != dnsmessage.RCodeSuccess || !group && h.ID != q.id {
		return nil
	}
	if p.SkipAllQuestions() != nil {
		return nil
	}
	addrs = q.section(&p, p.AnswerHeader, p.SkipAnswer, addrs)
	if p.SkipAllAuthorities() != nil {
		return addrs
	}
	return q.section(&p, p.AdditionalHeader, p.SkipAdditional, addrs)
}

func (q question) section(p *dnsmessage.Parser, header func() (dnsmessage.ResourceHeader, error), skip func() error, addrs []netip.Addr) []netip.Addr {
	for {
		h, err := header()
		if err != nil {
			return addrs // the section's end, or the message's
		}
		if !q.answeredBy(h) {
			if skip() != nil {
				return addrs
			}
			continue
		}
		var a netip.Addr
		if q.kind == dnsmessage.TypeA {
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
		// A host that is not this one has no such address.
		if !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() {
			addrs = append(addrs, a)
		}
	}
}

// answeredBy says whether the record is one that q asks for. With a TTL of 0 it
// is being withdrawn (RFC 6762 section 10.1).
func (q question) answeredBy(h dnsmessage.ResourceHeader) bool {
	return h.Type == q.kind && h.Class&^unicast == dnsmessage.ClassINET && h.TTL != 0 &&
		strings.EqualFold(h.Name.String(), q.name.String())
}
