package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is the address that the package's resolver asks in tests. If it is nil,
// dialing fails. It is atomic because Go's resolver goes on in the background for a
// while after it is canceled.
var nameServer atomic.Pointer[net.UDPAddr]

func init() {
	dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		at := nameServer.Load()
		if at == nil {
			return nil, errors.New("no test asks a real name server")
		}
		return new(net.Dialer).DialContext(ctx, "udp", at.String())
	}
}

// serveDNS starts a name server on loopback with these records. It answers NXDOMAIN
// for every other name.
func serveDNS(t *testing.T, records map[string][]dnsmessage.ResourceBody) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nameServer.Store(conn.LocalAddr().(*net.UDPAddr))
	t.Cleanup(func() {
		nameServer.Store(nil)
		conn.Close()
	})
	go func() {
		var buf [512]byte
		for {
			n, from, err := conn.ReadFrom(buf[:])
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(buf[:n]); err != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			bodies, ok := records[m.Questions[0].Name.String()]
			if !ok {
				m.RCode = dnsmessage.RCodeNameError
			}
			for _, b := range bodies {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1},
					Body:   b,
				})
			}
			if answer, err := m.Pack(); err == nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
}

func TestIsSRV(t *testing.T) {
	for name, want := range map[string]bool{
		"_ssh._tcp.example.org":  true,
		"_ssh._tcp.example.org.": true,
		"_ssh._tcp.local":        true,
		"_ssh._tcp":              false,
		"_ssh._tcp.":             false,
		"_ssh.example.org":       false,
		"ssh._tcp.example.org":   false,
		"_._tcp.example.org":     false,
		"_":                      false,
		"":                       false,
	} {
		if got := IsSRV(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestSRV(t *testing.T) {
	srv := func(priority, weight, port uint16, target string) dnsmessage.ResourceBody {
		return &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}
	}
	serveDNS(t, map[string][]dnsmessage.ResourceBody{
		"_ssh._tcp.example.org.": {srv(20, 0, 22, "c.example.org."), srv(10, 1, 2222, "a.example.org."), srv(10, 1, 2222, "b.example.org.")},
		"_ssh._tcp.none.org.":    {srv(0, 0, 0, ".")},
	})
	ctx := context.Background()
	first := map[string]int{}
	for range 100 {
		got, err := SRV(ctx, "_ssh._tcp.example.org")
		if err != nil || len(got) != 3 {
			t.Fatal(got, err)
		}
		if want := (Service{"c.example.org", 22, 20, 0}); got[2] != want || got[0].Port != 2222 {
			t.Fatalf("%+v, want %+v last", got, want)
		}
		first[got[0].Host]++
	}
	if first["a.example.org"] == 0 || first["b.example.org"] == 0 {
		t.Errorf("of two with the same weight, first came %v", first)
	}
	for name, want := range map[string]string{
		"_ssh._tcp.none.org":    `none.org offers no ssh (SRV target ".")`,
		"_ssh._tcp.nowhere.org": "there is no such SRV record",
	} {
		got, err := SRV(ctx, name)
		var dns *net.DNSError
		if got != nil || !errors.As(err, &dns) || !dns.IsNotFound || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", name, got, err, want)
		}
	}
}

// TestOrderServices has the random numbers given: the sum of the weights of equal
// priority plus one is what they are taken modulo.
func TestOrderServices(t *testing.T) {
	all := []Service{
		{"low", 22, 20, 100}, {"a", 22, 10, 60}, {"b", 22, 10, 40}, {"zero", 22, 10, 0}, {"", 0, 10, 1000}, {"lowest", 22, 65535, 65535},
	}
	for _, c := range []struct {
		random []uint64
		want   string
	}{
		{[]uint64{0, 0, 0, 0, 0}, "zero a b low lowest"},
		{[]uint64{1, 0, 0, 0, 0}, "a zero b low lowest"},
		{[]uint64{60, 0, 0, 0, 0}, "a zero b low lowest"},
		{[]uint64{61, 0, 0, 0, 0}, "b zero a low lowest"},
		{[]uint64{100, 1, 0, 0, 0}, "b a zero low lowest"},
		{[]uint64{101, 0, 0, 0, 0}, "zero a b low lowest"}, // modulo 101
		{[]uint64{0, 100, 0, 0, 0}, "zero b a low lowest"},
	} {
		n := 0
		got, err := OrderServices("_ssh._tcp.example.org", slices.Clone(all), func() uint64 { n++; return c.random[n-1] })
		var hosts []string
		for _, s := range got {
			hosts = append(hosts, s.Host)
		}
		if order := strings.Join(hosts, " "); err != nil || order != c.want {
			t.Errorf("%v: %s, %v; want %s", c.random, order, err, c.want)
		}
	}
	got, err := OrderServices("_ssh._tcp.example.org", []Service{{}}, func() uint64 { return 0 })
	if want := `lookup _ssh._tcp.example.org: example.org offers no ssh (SRV target ".")`; len(got) != 0 || err == nil || err.Error() != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}

func TestSRVIsCanceled(t *testing.T) {
	noLeak(t)
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	nameServer.Store(silent.LocalAddr().(*net.UDPAddr))
	t.Cleanup(func() {
		nameServer.Store(nil)
		silent.Close()
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		var question [512]byte
		silent.Read(question[:])
		cancel()
	}()
	began := time.Now()
	const timeout = 5 * time.Second // resolv.conf(5)'s default, after which the resolver asks again
	if got, err := SRV(ctx, "_ssh._tcp.example.org"); !errors.Is(err, context.Canceled) || time.Since(began) >= timeout {
		t.Errorf("%v, %v after %v", got, err, time.Since(began))
	}
}

func TestNAT64Addr(t *testing.T) {
	v4 := netip.MustParseAddr("192.0.2.33")
	// The table of RFC 6052 section 2.4.
	for prefix, want := range map[string]string{
		"2001:db8::/32":           "2001:db8:c000:221::",
		"2001:db8:100::/40":       "2001:db8:1c0:2:21::",
		"2001:db8:122::/48":       "2001:db8:122:c000:2:2100::",
		"2001:db8:122:300::/56":   "2001:db8:122:3c0:0:221::",
		"2001:db8:122:344::/64":   "2001:db8:122:344:c0:2:2100::",
		"2001:db8:122:344::/96":   "2001:db8:122:344::192.0.2.33",
		"64:ff9b::/96":            "64:ff9b::192.0.2.33",
		"2001:db8::ffff:1:2:3/32": "2001:db8:c000:221::", // what is beyond the prefix does not count
	} {
		if got, ok := NAT64Addr(netip.MustParsePrefix(prefix), v4); !ok || got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", prefix, got, want)
		}
	}
	well := netip.MustParsePrefix("64:ff9b::/96")
	for _, never := range []string{"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "169.254.169.254", "::1", "::ffff:192.0.2.33"} {
		if got, ok := NAT64Addr(well, netip.MustParseAddr(never)); ok {
			t.Errorf("%s is mapped to %v", never, got)
		}
	}
	for _, odd := range []string{"2001:db8::/33", "2001:db8::/128", "::/0", "192.0.2.0/32"} {
		if got, ok := NAT64Addr(netip.MustParsePrefix(odd), v4); ok {
			t.Errorf("%s maps to %v", odd, got)
		}
	}
	if _, ok := NAT64Addr(netip.Prefix{}, v4); ok {
		t.Error("the zero prefix maps")
	}
}

func TestNAT64Prefixes(t *testing.T) {
	for _, bits := range nat64Lengths {
		a := netip.MustParseAddr("2001:db8:122:344::")
		p, _ := a.Prefix(bits)
		first, _ := NAT64Addr(p, ipv4onlyAddrs[0])
		second, _ := NAT64Addr(p, ipv4onlyAddrs[1])
		if got := NAT64PrefixesFrom([]netip.Addr{second, first}); !slices.Equal(got, []netip.Prefix{p}) {
			t.Errorf("%s of %v", got, p)
		}
	}
	aaaa := func(a string) dnsmessage.ResourceBody {
		return &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(a).As16()}
	}
	for _, c := range []struct {
		name    string
		records []dnsmessage.ResourceBody
		want    string
	}{
		{"well-known", []dnsmessage.ResourceBody{aaaa("64:ff9b::192.0.0.170"), aaaa("64:ff9b::192.0.0.171")}, "[64:ff9b::/96]"},
		{"one of the two", []dnsmessage.ResourceBody{aaaa("2001:db8:c000:ab::")}, "[2001:db8::/32]"},
		{"like one inside the prefix", []dnsmessage.ResourceBody{aaaa("2001:db8:c000:aa::192.0.0.170")}, "[2001:db8:c000:aa::/96]"},
		{"none", []dnsmessage.ResourceBody{aaaa("2001:db8::1")}, "no DNS64"},
		{"empty", []dnsmessage.ResourceBody{}, "no DNS64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			serveDNS(t, map[string][]dnsmessage.ResourceBody{"ipv4only.arpa.": c.records})
			got, err := NAT64Prefixes(context.Background())
			s := "["
			for _, p := range got {
				s += p.String()
			}
			s += "]"
			if err != nil {
				s = err.Error()
			}
			if !strings.Contains(s, c.want) {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
}
