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

// DNS is a name server over UDP and TCP that answers each question when and
// how it was told to. A name it was told nothing of is what "*" is, or does not
// exist; a name it knows has no records of other types. The wire's loop serves it,
// so that its answers are as punctual as packets are.
type DNS struct {
	wire *Wire
	udp  int
	tcp  net.Listener
	wg   sync.WaitGroup // of TCP's goroutines

	// Under the wire's lock.
	closed  bool
	replies map[question]Reply
	queries []Query
	conns   map[net.Conn]bool
}

// Reply is what the server makes of a question; the zero value is NODATA at
// once.
type Reply struct {
	After     time.Duration
	Silent    bool
	Code      dnsmessage.RCode
	Truncated bool // over UDP only that there is more; all of it over TCP
	Records   []dnsmessage.ResourceBody
}

// Query is a question the server was asked.
type Query struct {
	At   time.Duration // since the wire's last Mark
	Name string        // without the last dot, in lower case
	Type dnsmessage.Type
	TCP  bool
}

func (q Query) String() string {
	s := strings.TrimPrefix(q.Type.String(), "Type") + " " + q.Name
	if q.TCP {
		s += " over TCP"
	}
	return s
}

type question struct {
	name string
	kind dnsmessage.Type
}

// ServeDNS starts a name server in the host. The caller closes it, before the
// wire.
func (w *Wire) ServeDNS(h *Host, at netip.AddrPort) (*DNS, error) {
	d := &DNS{wire: w, replies: map[question]Reply{}, conns: map[net.Conn]bool{}}
	domain, address := socketAddress(at)
	err := h.Do(func() (err error) {
		if d.udp, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err = unix.Bind(d.udp, address); err == nil {
			d.tcp, err = net.Listen("tcp", at.String())
		}
		if err != nil {
			unix.Close(d.udp)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	d.wg.Go(d.serveTCP)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.guests = append(w.guests, guest{d.udp, d.serveUDP})
	w.wakeUp()
	return d, nil
}

// Close ends the server; replies that are due later are never sent.
func (d *DNS) Close() error {
	err := d.tcp.Close()
	d.wire.mu.Lock()
	d.closed = true
	d.wire.guests = slices.DeleteFunc(d.wire.guests, func(g guest) bool { return g.fd == d.udp })
	d.wire.wakeUp()
	err = errors.Join(err, unix.Close(d.udp))
	for c := range d.conns {
		c.Close()
	}
	d.wire.mu.Unlock()
	d.wg.Wait()
	return err
}

// Set makes r the reply to questions for name's records of a type.
func (d *DNS) Set(name string, kind dnsmessage.Type, r Reply) {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	d.replies[question{canonical(name), kind}] = r
}

// Queries are the questions asked since the wire's last Mark, in their order.
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

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// note records a question and looks up the reply to it.
func (d *DNS) note(q dnsmessage.Question, tcp bool) Reply {
	name := canonical(q.Name.String())
	d.queries = append(d.queries, Query{d.wire.now(), name, q.Type, tcp})
	if r, ok := d.replies[question{name, q.Type}]; ok {
		return r
	}
	for known := range d.replies {
		if known.name == name {
			return Reply{}
		}
	}
	if r, ok := d.replies[question{"*", q.Type}]; ok {
		return r
	}
	return Reply{Code: dnsmessage.RCodeNameError}
}

// serveUDP takes the datagrams there are.
func (d *DNS) serveUDP() {
	var buf [512]byte
	for {
		n, from, err := unix.Recvfrom(d.udp, buf[:], 0)
		if errors.Is(err, unix.ECONNREFUSED) {
			continue // an answer nobody waited for
		}
		if err != nil {
			return
		}
		d.answer(buf[:n], false, func(message []byte) {
			unix.Sendto(d.udp, message, 0, from) // as lossy as UDP is
		})
	}
}

func (d *DNS) serveTCP() {
	for {
		c, err := d.tcp.Accept()
		if err != nil {
			return
		}
		d.wire.mu.Lock()
		d.conns[c] = true
		d.wire.mu.Unlock()
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
		d.answer(message, true, func(message []byte) {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
		})
		d.wire.wakeUp()
		d.wire.mu.Unlock()
	}
}

// answer has what send is given sent when the reply to message is due.
func (d *DNS) answer(message []byte, tcp bool, send func([]byte)) {
	var p dnsmessage.Parser
	head, err := p.Start(message)
	if err != nil || head.Response {
		return
	}
	q, err := p.Question()
	if err != nil {
		return
	}
	r := d.note(q, tcp)
	if r.Silent {
		return
	}
	out, err := r.pack(head.ID, q, tcp)
	if err != nil {
		panic(fmt.Sprintf("lab: the reply to %s cannot be packed: %v", q.GoString(), err)) // the test's mistake
	}
	d.wire.after(r.After, func() {
		if !d.closed {
			send(out)
		}
	})
}

func (r Reply) pack(id uint16, q dnsmessage.Question, tcp bool) ([]byte, error) {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: id, Response: true, RCode: r.Code,
			// A reply with neither looks like a lame delegation.
			RecursionDesired: true, RecursionAvailable: true,
			Truncated: r.Truncated && !tcp,
		},
		Questions: []dnsmessage.Question{q},
	}
	if !m.Truncated {
		for _, body := range r.Records {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET},
				Body:   body,
			})
		}
	}
	return m.Pack()
}
