package stub

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzParseAddr compares with netip.ParseAddr.
func FuzzParseAddr(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "::", "::1", "1::", "fe80::1%eth0", "2001:db8::192.0.2.1", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::2::3", "01.2.3.4", "1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "12345::", ":", ":::", "1:",
		"fe80::1%", "fe80::1%aninterfacename1", "::1.2.3.4:5", "1::2:", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1.2.3.4%eth0", "::%1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := netip.ParseAddr(s)
		if _, zone, _ := strings.Cut(s, "%"); len(zone) > 15 || strings.Contains(zone, "\x00") {
			t.Skip() // no interface has such a name
		}
		var a Addr
		ok := a.ParseAddr(s)
		if ok != (err == nil) {
			t.Fatalf("%q: %v, want %v", s, ok, err)
		}
		if ok && toNetip(&a) != want.Unmap() {
			t.Errorf("%q: %v, want %v", s, toNetip(&a), want)
		}
	})
}

// FuzzConfig compares with a reading of the file that has all its lines.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"nameserver 192.0.2.1\nnameserver fe80::1%eth0 # comment\n; nameserver 192.0.2.9\n",
		"search a.example b.example.\r\noptions ndots:2 timeout:1 attempts:3\r\n",
		"domain\tlan\noptions rotate use-vc no-aaaa single-request no-tld-query edns0 trust-ad",
		"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\nsearch\nsearch .",
		"options ndots:99 timeout:0 attempts:-1 ndots: single-request-reopen timeout:99999999999999999999",
		" nameserver 192.0.2.1\nnameserver bad\nnameserver ::ffff:192.0.2.7\n",
	} {
		f.Add(s, "", "", "box.lan")
		f.Add(s, "x.example y.example", "ndots:3 attempts:1", "box")
	}
	f.Fuzz(func(t *testing.T, text, localdomain, options, hostname string) {
		for _, s := range []string{text, localdomain, options, hostname} {
			if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || r == 0 }) {
				t.Skip() // Unicode has other blanks
			}
		}
		if strings.Contains(localdomain+options+hostname, "\n") {
			t.Skip() // these have no lines
		}
		var c Config
		c.Parse(text, localdomain, options, hostname)
		got := fmt.Sprintf("%v %v %v %v %v %v", c.Ndots, c.Timeout, c.Attempts, c.Search[:c.NSearch],
			[]bool{c.SingleRequest, c.NoAAAA, c.UseVC, c.Rotate, c.NoTLDQuery}, "")
		for i := range c.NServers {
			got += toNetip(&c.Servers[i]).String() + " "
		}
		if want := readConfig(text, localdomain, options, hostname); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		for i := range 5 {
			c.RotateBy(i)
		}
	})
}

func readConfig(text, localdomain, options, hostname string) string {
	ndots, timeout, attempts := 1, 5, 2
	var search, servers []string
	listed := false
	flags := map[string]bool{}
	setSearch := func(list string) {
		words := strings.Fields(list)
		if len(words) == 0 {
			return
		}
		search, listed = nil, true
		for _, w := range words {
			if w = strings.TrimSuffix(w, "."); w != "" && len(search) < maxSearch {
				search = append(search, w)
			}
		}
	}
	setOptions := func(list string) {
		for _, w := range strings.Fields(list) {
			flags[strings.TrimSuffix(w, "-reopen")] = true
			name, value, _ := strings.Cut(w, ":")
			if strings.Trim(value, "0123456789") != "" || value == "" {
				continue
			}
			n, err := strconv.Atoi(value)
			if err != nil || n > 1000 {
				n = 1000
			}
			switch name {
			case "ndots":
				ndots = min(n, 15)
			case "timeout":
				timeout = min(max(n, 1), 30)
			case "attempts":
				attempts = min(max(n, 1), 5)
			}
		}
		delete(flags, "use-vc-reopen")
	}
	for _, line := range strings.Split(text, "\n") {
		for i := range line {
			if strings.IndexByte("#;", line[i]) >= 0 && (i == 0 || strings.IndexByte(" \t\r\v\f", line[i-1]) >= 0) {
				line = line[:i]
				break
			}
		}
		keyword, rest := cutField(line)
		switch keyword {
		case "nameserver":
			server, _ := cutField(rest)
			if _, zone, _ := strings.Cut(server, "%"); len(zone) > 15 {
				continue
			}
			if addr, err := netip.ParseAddr(server); err == nil && len(servers) < 3 {
				servers = append(servers, addr.Unmap().String())
			}
		case "domain":
			rest, _ = cutField(rest)
			setSearch(rest)
		case "search":
			setSearch(rest)
		case "options":
			setOptions(rest)
		}
	}
	setSearch(localdomain)
	if _, domain, ok := strings.Cut(hostname, "."); ok && !listed {
		setSearch(domain)
	}
	setOptions(options)
	if len(servers) == 0 {
		servers = []string{"127.0.0.1"}
	}
	return fmt.Sprintf("%v %v %v %v %v %v%s ", ndots, time.Duration(timeout)*time.Second, attempts, search,
		[]bool{flags["single-request"], flags["no-aaaa"], flags["use-vc"], flags["rotate"], flags["no-tld-query"]}, "", strings.Join(servers, " "))
}

func cutField(line string) (field, rest string) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return "", ""
	}
	return fields[0], strings.Join(fields[1:], " ")
}

// FuzzHosts compares with a reading of the file by lines. The file comes in
// pieces of size bytes.
func FuzzHosts(f *testing.F) {
	for _, s := range []string{
		"127.0.0.1 localhost\n192.0.2.5 box.lan box # comment\n2001:db8::5\tbox\r\n",
		"fe80::5%eth0 box\n#192.0.2.9 box\n192.0.2.6 other Box.\n192.0.2.7 box#x\n",
		"192.0.2.5\n box\n  192.0.2.6 box",
		"bad box\n192.0.2.5 boxer xbox box.x\n0.0.0.0 box box\n",
		strings.Repeat("1", 70) + " box\n192.0.2.5 box",
		"::ffff:192.0.2.5 a b c d e box\n\n\n192.0.2.8#box\n",
	} {
		for size := range 4 {
			f.Add(s, "box", size*3+1)
		}
		f.Add(s, "Box.", 4096)
	}
	f.Fuzz(func(t *testing.T, text, name string, size int) {
		if strings.ContainsFunc(text+name, func(r rune) bool { return r >= 0x80 || r == 0 }) {
			t.Skip()
		}
		got := scanAll([]byte(text), name, max(1, min(size, 1<<16)))
		want := readHosts(text, name)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q in %q: got %v, want %v", name, text, got, want)
		}
	})
}

func scanAll(text []byte, name string, size int) (list []netip.Addr) {
	var h Hosts
	h.Init(name)
	text = append(text, '\n')
	for len(text) > 0 {
		piece := bytes.Clone(text[:min(size, len(text))])
		text = text[len(piece):]
		for len(piece) > 0 {
			n, found := h.Scan(piece)
			piece = piece[n:]
			if found {
				list = append(list, toNetip(&h.Addr))
			}
		}
	}
	return list
}

func readHosts(text, name string) (list []netip.Addr) {
	name = strings.TrimSuffix(name, ".")
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 || name == "" {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if _, zone, _ := strings.Cut(fields[0], "%"); err != nil || len(zone) > 15 {
			continue
		}
		for _, f := range fields[1:] {
			if f = strings.ToLower(f); f == strings.ToLower(name) || f == strings.ToLower(name)+"." {
				list = append(list, addr.Unmap())
				break
			}
		}
	}
	return list
}

// FuzzAnswer compares with dnsmessage where that takes the message: the addresses
// of a message are the same.
func FuzzAnswer(f *testing.F) {
	var q query
	q.write(1, TypeA, "box.lan", "")
	var m dnsmessage.Message
	if err := m.Unpack(q.b[:q.n]); err != nil {
		f.Fatal(err)
	}
	for _, words := range []string{"192.0.2.1 192.0.2.2", "nodata", "nxdomain", "servfail", "lame", "malformed", "tc 192.0.2.1", "other-name", "srv 1 2 22 box.lan"} {
		f.Add(response(f, m, 1, strings.Fields(words)), uint16(TypeA))
	}
	for _, seed := range chains(f, m) {
		f.Add(seed, uint16(TypeA))
	}
	q.write(1, TypeSRV, "box.lan", "")
	m.Questions[0].Type = dnsmessage.TypeSRV
	f.Add(response(f, m, 1, strings.Fields("srv 10 5 2222 host.example")), uint16(TypeSRV))
	m.Questions[0].Type = dnsmessage.TypeAAAA
	f.Add(response(f, m, 1, []string{"2001:db8::5", "::ffff:192.0.2.1"}), uint16(TypeAAAA))
	f.Fuzz(func(t *testing.T, m []byte, kind uint16) {
		var q query
		q.write(1, kind, "box.lan", "")
		for _, tcp := range []bool{false, true} {
			v := q.judge(m, tcp)
			var a Answer
			a.init(m, &q)
			var got []string
			for a.Next() {
				switch kind {
				case TypeA, TypeAAAA:
					got = append(got, toNetip(&a.Addr).String())
				case TypeSRV:
					if a.SRV.Target < headerLen || a.SRV.Target >= len(m) {
						t.Fatalf("target at %d of %d", a.SRV.Target, len(m))
					}
					name, ok := AppendName(make([]byte, 0, maxName-1), m, a.SRV.Target)
					if len(name) >= maxName {
						t.Fatalf("name of %d bytes", len(name))
					}
					if ok {
						got = append(got, string(name))
					}
				}
			}
			if v == Positive && got == nil && (kind == TypeA || kind == TypeAAAA) || v == NoData && got != nil {
				t.Fatalf("judged %s, but has %v", verdicts[v], got)
			}
			if v != Positive || kind == TypeSRV {
				continue
			}
			if want, ok := readAnswer(m, kind); ok && fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	})
}

// readAnswer reads the addresses of m by dnsmessage. It reports false where that
// does not read m, or where m's names do not fit its strings.
func readAnswer(b []byte, kind uint16) (list []string, ok bool) {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	canon := strings.ToLower(m.Questions[0].Name.String())
	for range maxAliases {
		alias := ""
		for _, r := range m.Answers {
			if c, ok := r.Body.(*dnsmessage.CNAMEResource); ok && alias == "" && r.Header.Class == dnsmessage.ClassINET && strings.ToLower(r.Header.Name.String()) == canon {
				alias = strings.ToLower(c.CNAME.String())
			}
		}
		if alias == "" {
			break
		}
		canon = alias
	}
	for _, r := range m.Answers {
		if strings.ContainsFunc(r.Header.Name.String(), func(r rune) bool { return r >= 0x80 }) {
			return nil, false
		}
		if r.Header.Class != dnsmessage.ClassINET || strings.ToLower(r.Header.Name.String()) != canon {
			continue
		}
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			if kind == TypeA {
				list = append(list, netip.AddrFrom4(body.A).String())
			}
		case *dnsmessage.AAAAResource:
			if kind == TypeAAAA {
				list = append(list, netip.AddrFrom16(body.AAAA).Unmap().String())
			}
		}
	}
	return list, true
}

// chains returns answers with CNAME records: a chain, in the wrong order, a loop,
// and one that leads away from the address.
func chains(t testing.TB, q dnsmessage.Message) (list [][]byte) {
	for _, s := range []string{
		"box.lan. a.lan. b.lan.|b.lan.", "b.lan. c.lan.;box.lan. b.lan.|c.lan.", "box.lan. a.lan. box.lan.|a.lan.", "box.lan. a.lan.|box.lan.", "|evil.lan.",
	} {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
		aliases, owner, _ := strings.Cut(s, "|")
		for _, chain := range strings.Split(aliases, ";") {
			names := strings.Fields(chain)
			for i := 1; i < len(names); i++ {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(names[i-1]), Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(names[i])}})
			}
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 5}}})
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}
