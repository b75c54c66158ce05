//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// An answer that must come has long; for one that must not a moment will do.
const (
	answerPatience = 5 * time.Second
	silentFor      = 60 * time.Millisecond
)

// questionFor is one with an ID, and with an OPT record if that is wanted.
func questionFor(t *testing.T, id uint16, name string, kind dnsmessage.Type, opt bool) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}
	if opt {
		var head dnsmessage.ResourceHeader
		if err := head.SetEDNS0(1232, dnsmessage.RCodeSuccess, false); err != nil {
			t.Fatal(err)
		}
		m.Additionals = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.OPTResource{}}}
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hear sends questions by UDP, each from a socket of its own, and says of each
// what comes back: the ID, the code, the name asked for, the records. It waits
// for as much as is wanted, of each the parts between bars.
func hear(t *testing.T, h *Host, wants []string, questions ...[]byte) (said []string) {
	t.Helper()
	var conns []net.Conn
	for range questions {
		var c net.Conn
		if err := h.Do(func() (err error) {
			c, err = net.Dial("udp", nameServer.String())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for i, c := range conns {
		c.Write(questions[i]) // an error will be read, too
	}
	for i, c := range conns {
		long := answerPatience
		if wants[i] == "silence" {
			long = silentFor
		}
		c.SetReadDeadline(time.Now().Add(long))
		var words []string
		for range strings.Split(wants[i], " | ") {
			words = append(words, hearOne(t, c))
		}
		said = append(said, strings.Join(words, " | "))
	}
	return said
}

func hearOne(t *testing.T, c net.Conn) string {
	t.Helper()
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return "port closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	case err != nil:
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf[:n]); err != nil {
		t.Fatal(err)
	}
	return summary(m)
}

func summary(m dnsmessage.Message) string {
	s := fmt.Sprintf("%d %s %s", m.ID, strings.TrimPrefix(m.RCode.String(), "RCode"), canonical(m.Questions[0].Name.String()))
	if m.Truncated {
		s += " tc"
	}
	if !m.RecursionAvailable {
		s += " lame"
	}
	for _, r := range m.Answers {
		s += " " + canonical(r.Header.Name.String())
		if alias, ok := r.Body.(*dnsmessage.CNAMEResource); ok {
			s += ">" + canonical(alias.CNAME.String())
		} else {
			s += "=" + records(dnsmessage.Message{Answers: []dnsmessage.Resource{r}})
		}
	}
	if len(m.Additionals) > 0 {
		s += " OPT"
	}
	return s
}

func TestBehaviors(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	w, _ := offline(t, 1)
	d, err := w.ServeDNS(h, nameServer)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, word := range []string{"A=192.0.2.1", "AAAA=2001:db8::1"} {
		kind, r, _, err := parseReply(word)
		if err != nil {
			t.Fatal(err)
		}
		d.Set("box", kind, r)
	}
	a := questionFor(t, 1, "box", dnsmessage.TypeA, false)
	aaaa := questionFor(t, 2, "box", dnsmessage.TypeAAAA, false)
	opt := questionFor(t, 3, "box", dnsmessage.TypeA, true)
	const four, six = "1 Success box box=192.0.2.1", "2 Success box box=2001:db8::1"
	for _, c := range []struct {
		behavior string
		ask      [][]byte
		want     []string
	}{
		{"", [][]byte{a, aaaa, opt}, []string{four, six, "3 Success box box=192.0.2.1"}},
		{"dead", [][]byte{a}, []string{"port closed"}},
		{"silent", [][]byte{a}, []string{"silence"}},
		{"slow 50ms", [][]byte{a}, []string{four}},
		{"slow 1h", [][]byte{a}, []string{"silence"}},
		{"refused", [][]byte{a}, []string{"1 Refused box"}},
		{"servfail", [][]byte{a}, []string{"1 ServerFailure box"}},
		{"formerr", [][]byte{a}, []string{"1 FormatError box"}},
		{"notimp", [][]byte{a}, []string{"1 NotImplemented box"}},
		{"lame", [][]byte{a}, []string{"1 Success box lame"}},
		{"drops-opt", [][]byte{a, opt}, []string{four, "silence"}},
		{"formerr-opt", [][]byte{a, opt}, []string{four, "3 FormatError box"}},
		{"echoes-opt", [][]byte{a, opt}, []string{four, "3 Success box box=192.0.2.1 OPT"}},
		{"drops-second", [][]byte{a, aaaa, opt}, []string{four, "silence", "3 Success box box=192.0.2.1"}},
		{"mixes-ids", [][]byte{a, aaaa}, []string{four, "1 Success box box=2001:db8::1"}},
		{"swaps", [][]byte{a, aaaa}, []string{six, four}},
		{"swaps", [][]byte{a}, []string{four}},
		{"tcp-refused", [][]byte{a}, []string{four}},
		{"", [][]byte{a}, []string{four}}, // it is there again
	} {
		b, err := parseDNSBehavior(strings.Fields(c.behavior))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Behave(b); err != nil {
			t.Fatal(err)
		}
		if got := hear(t, h, c.want, c.ask...); strings.Join(got, ", ") != strings.Join(c.want, ", ") {
			t.Errorf("%s: heard %q, want %q", c.behavior, got, c.want)
		}
	}
	if b, err := parseDNSBehavior([]string{"rude"}); err == nil {
		t.Errorf("rude is a behavior: %+v", b)
	}
}

func TestReplies(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	w, _ := offline(t, 1)
	d, err := w.ServeDNS(h, nameServer)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, line := range []string{
		"box.corp A=192.0.2.1",
		"*.corp A=192.0.2.9",
		"www CNAME=web", "web CNAME=box.corp", "loop CNAME=loop", "hangs CNAME=nowhere",
		"part A=192.0.2.1,192.0.2.2+tc:1",
		"forged A=192.0.2.6+id A+=192.0.2.1",
		"other A=192.0.2.6+owner:evil", "asked A=192.0.2.6+asked:evil",
		"lame A=lame",
	} {
		f := strings.Fields(line)
		for _, word := range f[1:] {
			kind, r, more, err := parseReply(word)
			if err != nil {
				t.Fatal(err)
			}
			if more {
				d.Add(f[0], kind, r)
			} else {
				d.Set(f[0], kind, r)
			}
		}
	}
	for name, want := range map[string]string{
		"box.corp":     "7 Success box.corp box.corp=192.0.2.1",
		"any.corp":     "7 Success any.corp any.corp=192.0.2.9",
		"far.any.corp": "7 Success far.any.corp far.any.corp=192.0.2.9",
		"corp":         "7 NameError corp",
		"www":          "7 Success www www>web web>box.corp box.corp=192.0.2.1",
		"hangs":        "7 NameError hangs hangs>nowhere",
		"part":         "7 Success part tc part=192.0.2.1",
		"forged":       "6 Success forged forged=192.0.2.6 | 7 Success forged forged=192.0.2.1",
		"other":        "7 Success other evil=192.0.2.6",
		"asked":        "7 Success evil asked=192.0.2.6",
		"lame":         "7 Success lame lame",
	} {
		if got := hear(t, h, []string{want}, questionFor(t, 7, name, dnsmessage.TypeA, false)); got[0] != want {
			t.Errorf("%s: heard %q, want %q", name, got[0], want)
		}
	}
	// A name with other records has none of these, and a wildcard is no way round.
	if got := hear(t, h, []string{""}, questionFor(t, 7, "box.corp", dnsmessage.TypeAAAA, false)); got[0] != "7 Success box.corp" {
		t.Errorf("NODATA is %q", got[0])
	}
	if got := hear(t, h, []string{""}, questionFor(t, 7, "loop", dnsmessage.TypeA, false)); !strings.HasPrefix(got[0], "7 ServerFailure loop") {
		t.Errorf("a loop is %q", got[0])
	}
}

// By TCP a server may be silent, or not there.
func TestTCPBehaviors(t *testing.T) {
	noLeak(t)
	h := newTestHost(t, "h")
	w, _ := offline(t, 1)
	d, err := w.ServeDNS(h, nameServer)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	dialTCP := func() (net.Conn, error) {
		var c net.Conn
		err := h.Do(func() (err error) {
			c, err = net.Dial("tcp", nameServer.String())
			return err
		})
		return c, err
	}
	if err := d.Behave(DNSBehavior{TCP: Drops}); err != nil {
		t.Fatal(err)
	}
	c, err := dialTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := questionFor(t, 1, "box", dnsmessage.TypeA, false)
	c.Write(append([]byte{0, byte(len(q))}, q...))
	c.SetReadDeadline(time.Now().Add(silentFor))
	if n, err := c.Read(make([]byte, 512)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("by TCP: %d bytes, %v", n, err)
	}
	if queries := d.Queries(); len(queries) != 1 || queries[0].String() != "A box over TCP" {
		t.Errorf("asked: %v", queries)
	}
	if err := d.Behave(DNSBehavior{TCP: Refuses}); err != nil {
		t.Fatal(err)
	}
	if c, err := dialTCP(); !errors.Is(err, unix.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		t.Errorf("a closed port: %v", err)
	}
	if err := d.Behave(DNSBehavior{}); err != nil {
		t.Fatal(err)
	}
	if c, err := dialTCP(); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

// FuzzDNS has the server take anything at all.
func FuzzDNS(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03box\x00\x00\x01\x00\x01"), false)
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03box\x00\x00\x1c\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, message []byte, tcp bool) {
		w := &Wire{start: time.Now()}
		behavior := DNSBehavior{OPT: Echoes}
		d := &DNS{wire: w, udp: -1, zone: zone{}, behavior: behavior}
		kind, r, _, err := parseReply("A=192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		d.Set("box", kind, r)
		answers := 0
		d.take(message, nameServer.Addr(), tcp, func([]byte) { answers++ })
		for len(w.queue) > 0 {
			w.queue.pop().call()
		}
		if answers > 1 || len(d.queries) != answers {
			t.Errorf("%d answers to %v", answers, d.queries)
		}
	})
}
