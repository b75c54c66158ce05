//go:build linux

package lab

import (
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

var nameServer = netip.MustParseAddrPort("127.0.0.53:53")

// ask sends one question and waits for the reply; of a truncated one it asks
// for the whole, as a resolver does.
func ask(t *testing.T, h *Host, name string, kind dnsmessage.Type) (reply dnsmessage.Message, err error) {
	t.Helper()
	const patience = 2 * time.Second
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}
	out, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		var c net.Conn
		err := h.Do(func() (err error) {
			c, err = net.Dial(network, nameServer.String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		in, skip := make([]byte, 512), 0
		if network == "tcp" {
			out, skip = append([]byte{0, byte(len(out))}, out...), 2
		}
		c.Write(out) // an error will be read, too
		n, err := c.Read(in)
		if err != nil {
			return reply, err
		}
		if err := reply.Unpack(in[skip:n]); err != nil {
			t.Fatal(err)
		}
		if !reply.Truncated {
			break
		}
	}
	return reply, nil
}

func TestDNS(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	w, _ := offline(t, 1)
	d, err := w.ServeDNS(h, nameServer)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const late = 100 * time.Millisecond
	for _, c := range []struct {
		reply string
		want  string
		code  dnsmessage.RCode
		after time.Duration
	}{
		{reply: "A=192.0.2.1,192.0.2.2", want: "192.0.2.1 192.0.2.2"},
		{reply: "AAAA=2001:db8::1+100ms", want: "2001:db8::1", after: late},
		{reply: "A=192.0.2.1+tc", want: "192.0.2.1"},
		{reply: "A=192.0.2.1+100ms+tc", want: "192.0.2.1", after: 2 * late}, // once over each
		{reply: "SRV=1/2/2222/host.example", want: "1 2 2222 host.example."},
		{reply: "A=nodata"},
		{reply: "A=nxdomain+100ms", code: dnsmessage.RCodeNameError, after: late},
		{reply: "AAAA=servfail", code: dnsmessage.RCodeServerFailure},
		{reply: "A=refused", code: dnsmessage.RCodeRefused},
	} {
		kind, r, _, err := parseReply(c.reply)
		if err != nil {
			t.Fatal(err)
		}
		d.Set("Name.Example", kind, r)
		start := time.Now()
		reply, err := ask(t, h, "nAme.example", kind)
		took := time.Since(start)
		if err != nil || reply.RCode != c.code || records(reply) != c.want {
			t.Errorf("%s: %v, %v, %s", c.reply, err, reply.RCode, records(reply))
		}
		if took < c.after {
			t.Errorf("%s: after %v", c.reply, took)
		}
	}
	if reply, _ := ask(t, h, "unheard.example", dnsmessage.TypeA); reply.RCode != dnsmessage.RCodeNameError {
		t.Errorf("a name nobody set: %v", reply.RCode)
	}
	if reply, _ := ask(t, h, "name.example", dnsmessage.TypeTXT); reply.RCode != dnsmessage.RCodeSuccess || len(reply.Answers) > 0 {
		t.Errorf("a type nobody set: %v", reply)
	}
	if queries := d.Queries(); queries[0].String() != "A name.example" || queries[3].String() != "A name.example over TCP" {
		t.Errorf("asked: %v", queries)
	}
}

func records(m dnsmessage.Message) string {
	var list []string
	for _, r := range m.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			list = append(list, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			list = append(list, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.SRVResource:
			list = append(list, fmt.Sprint(body.Priority, body.Weight, body.Port, body.Target))
		}
	}
	return strings.Join(list, " ")
}

func TestParseReply(t *testing.T) {
	for _, word := range []string{"", "A", "MX=1", "A=2001:db8::1", "AAAA=192.0.2.1", "A=192.0.2.1+soon", "SRV=host", "SRV=1/2/x/host"} {
		if _, r, _, err := parseReply(word); err == nil {
			t.Errorf("%q is a reply: %+v", word, r)
		}
	}
}

func TestDNSCloses(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	w, _ := offline(t, 1)
	d, err := w.ServeDNS(h, nameServer)
	if err != nil {
		t.Fatal(err)
	}
	d.Set("late", dnsmessage.TypeA, Reply{After: time.Hour})
	d.Set("never", dnsmessage.TypeA, Reply{Silent: true, Truncated: true})
	for _, name := range []string{"late", "never"} {
		if reply, err := ask(t, h, name, dnsmessage.TypeA); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
