package resolve

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestQuestion(t *testing.T) {
	q, err := newQuestion("ip6", "Box.local")
	if err != nil {
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(q.query); err != nil {
		t.Fatal(err)
	}
	want := dnsmessage.Question{Name: dnsmessage.MustNewName("Box.local."), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET | topBit}
	if m.ID != q.id || m.Response || len(m.Questions) != 1 || m.Questions[0] != want {
		t.Errorf("%+v", m)
	}
	for _, host := range []string{"a..local", ".local", string(bytes.Repeat([]byte("a"), 64)) + ".local", string(bytes.Repeat([]byte("a."), 200)) + "local"} {
		if _, err := newQuestion("ip4", host); err == nil {
			t.Errorf("%q can be asked for", host)
		}
	}
}

func TestParseMulticast(t *testing.T) {
	q, err := newQuestion("ip6", "box.local")
	if err != nil {
		t.Fatal(err)
	}
	record := func(name string, class dnsmessage.Class, ttl uint32, a string) dnsmessage.Resource {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: class, TTL: ttl}}
		if addr := netip.MustParseAddr(a); addr.Is4() {
			r.Body = &dnsmessage.AResource{A: addr.As4()}
		} else {
			r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		}
		return r
	}
	const in = dnsmessage.ClassINET
	const flush = in | topBit // the cache-flush bit, in an answer
	good := record("box.local.", flush, 120, "2001:db8::1")
	for _, c := range []struct {
		name  string
		group bool
		head  dnsmessage.Header
		m     dnsmessage.Message
		want  string
	}{
		{"legacy", false, dnsmessage.Header{ID: q.id, Response: true, Authoritative: true},
			dnsmessage.Message{Questions: []dnsmessage.Question{{Name: q.name, Type: q.qtype, Class: in}}, Answers: []dnsmessage.Resource{record("box.local.", in, 10, "2001:db8::1")}}, "2001:db8::1"},
		{"group", true, dnsmessage.Header{Response: true}, dnsmessage.Message{Answers: []dnsmessage.Resource{good}}, "2001:db8::1"},
		{"any case", true, dnsmessage.Header{Response: true}, dnsmessage.Message{Answers: []dnsmessage.Resource{record("BOX.local.", flush, 120, "2001:db8::1")}}, "2001:db8::1"},
		{"several, and more", true, dnsmessage.Header{Response: true}, dnsmessage.Message{
			Answers:     []dnsmessage.Resource{record("box.local.", flush, 120, "192.0.2.1"), good, record("other.local.", flush, 120, "2001:db8::9")},
			Authorities: []dnsmessage.Resource{record("box.local.", flush, 120, "2001:db8::9")},
			Additionals: []dnsmessage.Resource{record("box.local.", flush, 120, "fe80::1")},
		}, "2001:db8::1 fe80::1"},
		{"another's question", false, dnsmessage.Header{ID: q.id + 1, Response: true}, dnsmessage.Message{Answers: []dnsmessage.Resource{good}}, ""},
		{"a query", true, dnsmessage.Header{}, dnsmessage.Message{Answers: []dnsmessage.Resource{good}}, ""},
		{"an error", true, dnsmessage.Header{Response: true, RCode: dnsmessage.RCodeNameError}, dnsmessage.Message{Answers: []dnsmessage.Resource{good}}, ""},
		{"goodbye", true, dnsmessage.Header{Response: true}, dnsmessage.Message{Answers: []dnsmessage.Resource{record("box.local.", flush, 0, "2001:db8::1")}}, ""},
		{"another class", true, dnsmessage.Header{Response: true}, dnsmessage.Message{Answers: []dnsmessage.Resource{record("box.local.", dnsmessage.ClassCHAOS, 120, "2001:db8::1")}}, ""},
		{"this host's own", true, dnsmessage.Header{Response: true}, dnsmessage.Message{Answers: []dnsmessage.Resource{
			record("box.local.", flush, 120, "::1"), record("box.local.", flush, 120, "::"), record("box.local.", flush, 120, "ff02::1"), record("box.local.", flush, 120, "::ffff:192.0.2.1"), good}}, "2001:db8::1"},
	} {
		c.m.Header = c.head
		wire, err := c.m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if got := text(q.parse(wire, c.group)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		for n := range wire { // cut off anywhere
			q.parse(wire[:n], c.group)
		}
	}
}

func FuzzParseMulticast(f *testing.F) {
	for _, network := range []string{"ip4", "ip6"} {
		q, err := newQuestion(network, "box.local")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(q.query)
		m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}}
		for _, body := range []dnsmessage.ResourceBody{&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}, &dnsmessage.AAAAResource{AAAA: [16]byte{0xfe, 0x80, 15: 1}}} {
			h := dnsmessage.ResourceHeader{Name: q.name, Class: dnsmessage.ClassINET | topBit, TTL: 120}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
		}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		for network, is := range map[string]func(netip.Addr) bool{"ip4": netip.Addr.Is4, "ip6": netip.Addr.Is6} {
			q, err := newQuestion(network, "box.local")
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range q.parse(message, true) {
				if !is(a) || a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() {
					t.Fatalf("%v for %s", a, network)
				}
			}
		}
	})
}
