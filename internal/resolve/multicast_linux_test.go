package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A responder is a host of Multicast DNS on f0 of a place.
type responder struct {
	place
	group netip.AddrPort // where it listens
	addr  string         // that it sends from, with a port
	// respond returns the messages to send after a query; from is where to, and may
	// be changed.
	respond func(query dnsmessage.Message, to *net.UDPAddr) [][]byte
}

// start runs the responder until the end of the test.
func (r *responder) start(t *testing.T) {
	t.Helper()
	var f *os.File
	var sender *net.UDPConn
	err := r.do(func() error {
		i, err := net.InterfaceByName("f0")
		if err != nil {
			return err
		}
		if f, err = joinGroup(r.group, i.Index); err != nil {
			return err
		}
		sender, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(r.addr)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, ok := asUDP(f)
	if !ok {
		t.Fatal("not a UDP socket")
	}
	t.Cleanup(func() { listener.Close(); sender.Close() })
	go func() {
		var buf [1500]byte
		for {
			n, from, err := listener.ReadFromUDP(buf[:])
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if query.Unpack(buf[:n]) != nil || query.Response || len(query.Questions) != 1 {
				continue
			}
			for _, m := range r.respond(query, from) {
				sender.WriteToUDP(m, from)
			}
		}
	}()
}

// response returns one with these records for the name of the query.
func response(query dnsmessage.Message, bodies ...dnsmessage.ResourceBody) []byte {
	h := dnsmessage.ResourceHeader{Name: query.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 10}
	query.Response, query.Authoritative = true, true
	for _, b := range bodies {
		query.Answers = append(query.Answers, dnsmessage.Resource{Header: h, Body: b})
	}
	m, err := query.Pack()
	if err != nil {
		panic(err)
	}
	return m
}

var (
	box4 = &dnsmessage.AResource{A: [4]byte{192, 168, 1, 65}}
	box6 = &dnsmessage.AAAAResource{AAAA: [16]byte{0xfe, 0x80, 15: 0x65}}
)

const (
	at4 = "192.168.1.65:0"
	at6 = "[fe80::65%f0]:0"
)

// shortGaps sends the queries of this test one after the other.
func shortGaps(t *testing.T) {
	gaps := queryGaps
	queryGaps = []time.Duration{5 * time.Millisecond, 10 * time.Millisecond}
	t.Cleanup(func() { queryGaps = gaps })
}

func TestAskLinks(t *testing.T) {
	far := meet(t)
	shortGaps(t)
	for _, c := range []struct {
		name    string
		ignored int  // queries
		toGroup bool // it responds to the group, and not to the sender of the query
		group   netip.AddrPort
		addr    string
		network string
		want    string
		after   time.Duration // the earliest time
	}{
		{"IPv4", 0, false, mdnsIPv4, at4, "ip4", "[192.168.1.65]", 0},
		{"IPv6", 0, false, mdnsIPv6, at6, "ip6", "[fe80::65%e0]", 0},
		{"the zone over IPv4", 0, false, mdnsIPv4, at4, "ip6", "[fe80::65%e0]", 0},
		{"to the group, IPv4", 0, true, mdnsIPv4, at4, "ip6", "[fe80::65%e0]", 0},
		{"to the group, IPv6", 0, true, mdnsIPv6, at6, "ip4", "[192.168.1.65]", 0},
		{"second query", 1, false, mdnsIPv6, at6, "ip4", "[192.168.1.65]", 5 * time.Millisecond},
		{"third query", 2, false, mdnsIPv4, at4, "ip4", "[192.168.1.65]", 15 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			r := responder{far, c.group, c.addr, func(query dnsmessage.Message, to *net.UDPAddr) [][]byte {
				if c.ignored--; c.ignored >= 0 {
					return nil
				}
				if c.toGroup {
					*to = *net.UDPAddrFromAddrPort(c.group)
					if c.group.Addr().Is6() {
						to.Zone = "f0"
					}
				}
				return [][]byte{response(query, box4, box6)}
			}}
			r.start(t)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			start := time.Now()
			addrs, err := askLinks(ctx, c.network, "box.local")
			if got := fmt.Sprint(addrs); err != nil || got != c.want || time.Since(start) < c.after {
				t.Errorf("%s, %v after %v; want %s after %v", got, err, time.Since(start), c.want, c.after)
			}
		})
	}
}

// TestForgedResponses has a host that sends forged responses before the true one. If
// one counts, its address comes first.
func TestForgedResponses(t *testing.T) {
	noLeak(t)
	far := meet(t)
	forged := func(query dnsmessage.Message, edit func(*dnsmessage.Message)) []byte {
		h := dnsmessage.ResourceHeader{Name: query.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 10}
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true}, Questions: query.Questions,
			Answers: []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{203, 0, 113, 9}}}}}
		edit(&m)
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	}
	r := responder{far, mdnsIPv4, at4, func(query dnsmessage.Message, _ *net.UDPAddr) [][]byte {
		whole := forged(query, func(*dnsmessage.Message) {})
		all := [][]byte{
			{},
			whole[:11],
			whole[:len(whole)-1],
			make([]byte, 1400),
			forged(query, func(m *dnsmessage.Message) { m.ID++ }),
			forged(query, func(m *dnsmessage.Message) { m.ID = 0 }),
			forged(query, func(m *dnsmessage.Message) { m.Response = false }),
			forged(query, func(m *dnsmessage.Message) { m.OpCode = 4 }),
			forged(query, func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }),
			forged(query, func(m *dnsmessage.Message) { m.Answers[0].Header.Name = dnsmessage.MustNewName("box.local.evil.") }),
			forged(query, func(m *dnsmessage.Message) { m.Answers[0].Header.TTL = 0 }),
			forged(query, func(m *dnsmessage.Message) { m.Authorities, m.Answers = m.Answers, nil }),
		}
		for _, a := range [][4]byte{{127, 0, 0, 1}, {}, {224, 0, 0, 1}} {
			all = append(all, forged(query, func(m *dnsmessage.Message) { m.Answers[0].Body = &dnsmessage.AResource{A: a} }))
		}
		return append(all, response(query, box4))
	}}
	r.start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if addrs, err := askLinks(ctx, "ip4", "box.local"); err != nil || text(addrs) != "192.168.1.65" {
		t.Errorf("%v, %v", addrs, err)
	}
}

// TestOffLinkResponse has a host behind a router that guesses both the port and the
// ID: RFC 6762 section 11 has a response from there ignored.
func TestOffLinkResponse(t *testing.T) {
	noLeak(t)
	far := meet(t)
	// The route makes the answer pass the kernel's rp_filter.
	if err := errors.Join(far.ip("address add 203.0.113.9/32 dev f0"), ip("route add 203.0.113.9 via 192.168.1.65")); err != nil {
		t.Fatal(err)
	}
	queries, second := 0, make(chan struct{})
	off := responder{far, mdnsIPv4, "203.0.113.9:0", func(query dnsmessage.Message, _ *net.UDPAddr) [][]byte {
		if queries++; queries == 2 {
			close(second)
		}
		return [][]byte{response(query, &dnsmessage.AResource{A: [4]byte{203, 0, 113, 9}})}
	}}
	off.start(t)
	shortGaps(t)
	on := responder{far, mdnsIPv4, at4, func(query dnsmessage.Message, _ *net.UDPAddr) [][]byte {
		<-second // when that is handled, the first response has been sent
		return [][]byte{response(query, box4)}
	}}
	on.start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if addrs, err := askLinks(ctx, "ip4", "box.local"); err != nil || text(addrs) != "192.168.1.65" {
		t.Errorf("%v, %v", addrs, err)
	}
}

func TestAskLinksNobody(t *testing.T) {
	noLeak(t)
	meet(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if addrs, err := askLinks(ctx, "ip4", "box.local"); err == nil || err.Error() != "no answer on e0, e1" {
		t.Errorf("nobody: %v, %v", addrs, err)
	}
	if addrs, err := askLinks(ctx, "ip4", "box.local"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too late: %v, %v", addrs, err)
	}
	if addrs, err := askLinks(context.Background(), "ip4", "a..local"); err == nil || !strings.Contains(err.Error(), "not a domain name") {
		t.Errorf("not a name: %v, %v", addrs, err)
	}
	names, err := MDNSLinks()
	if err != nil || fmt.Sprint(names) != "[e0 e1]" {
		t.Errorf("links: %v, %v", names, err)
	}
	if err := ip("link set e0 multicast off"); err != nil {
		t.Fatal(err)
	}
	if names, err := MDNSLinks(); err != nil || fmt.Sprint(names) != "[e1]" {
		t.Errorf("without multicast: %v, %v", names, err)
	}
	if err := ip("link set e0 down", "link set e1 down"); err != nil {
		t.Fatal(err)
	}
	if names, err := MDNSLinks(); err != nil || names != nil {
		t.Errorf("all down: %v, %v", names, err)
	}
	if addrs, err := askLinks(context.Background(), "ip4", "box.local"); err == nil || !strings.Contains(err.Error(), "no network interface is up") {
		t.Errorf("all down: %v, %v", addrs, err)
	}
}
