package stub

import (
	"net/netip"
	"strings"
	"testing"
)

// TestSort has rows of "destination<source", or "destination" without a route.
func TestSort(t *testing.T) {
	for _, c := range []struct{ name, gai, list, want string }{
		// RFC 6724 section 10.1 and 10.2, as far as a pair of addresses tells.
		{"prefer matching scope, IPv6", "", "198.51.100.121<169.254.13.78 2001:db8:1::1<2001:db8:1::2", "2001:db8:1::1 198.51.100.121"},
		{"prefer matching scope, IPv4", "", "2001:db8:1::1<fe80::1 198.51.100.121<198.51.100.117", "198.51.100.121 2001:db8:1::1"},
		{"prefer higher precedence", "", "10.1.2.3<10.1.2.4 2001:db8:1::1<2001:db8:1::2", "2001:db8:1::1 10.1.2.3"},
		{"prefer smaller scope", "", "2001:db8:1::1<2001:db8:1::2 fe80::1<fe80::2", "fe80::1 2001:db8:1::1"},
		{"prefer longer match, of the first 64 bits", "", "2001:db8:1::1<2001:db8:3f44::2 2001:db8:3ffe::1<2001:db8:3f44::2", "2001:db8:3ffe::1 2001:db8:1::1"},
		{"prefer matching label: 6to4", "", "2001:db8:1::1<2002:c633:6401::2 2002:c633:6401::1<2002:c633:6401::2", "2002:c633:6401::1 2001:db8:1::1"},
		{"prefer higher precedence to 6to4", "", "2002:c633:6401::1<2002:c633:6401::2 2001:db8:1::1<2001:db8:1::2", "2001:db8:1::1 2002:c633:6401::1"},

		{"avoid unusable destinations", "", "2001:db8::1 192.0.2.1<192.0.2.9", "192.0.2.1 2001:db8::1"},
		{"none is usable", "", "2001:db8::1 192.0.2.1", "2001:db8::1 192.0.2.1"},
		{"a ULA without a ULA to connect from", "", "fd00::1<2001:db8::9 192.0.2.1<192.0.2.9", "192.0.2.1 fd00::1"},
		{"a ULA and a ULA to connect from are behind IPv4, too", "", "fd00::1<fd00::9 192.0.2.1<192.0.2.9", "192.0.2.1 fd00::1"},
		{"only a ULA to connect from", "", "2001:db8::1<fd00::9 192.0.2.1<192.0.2.9", "192.0.2.1 2001:db8::1"},
		{"private IPv4 to connect from is global", "", "192.0.2.1<10.0.0.9 2001:db8::1<fd00::9", "192.0.2.1 2001:db8::1"},
		{"169.254 to connect from", "", "192.0.2.1<169.254.0.9 2001:db8::1<2001:db8::9", "2001:db8::1 192.0.2.1"},
		{"169.254 to 169.254", "", "192.0.2.1<192.0.2.9 169.254.0.1<169.254.0.9", "169.254.0.1 192.0.2.1"},
		{"Teredo", "", "2001::1<2001::9 192.0.2.1<192.0.2.9", "192.0.2.1 2001::1"},
		{"this machine", "", "127.0.0.1<127.0.0.1 ::1<::1", "::1 127.0.0.1"},
		{"IPv4 addresses keep the name server's order", "", "192.0.2.1<10.0.0.9 10.0.0.1<10.0.0.9 198.51.100.1<10.0.0.9", "192.0.2.1 10.0.0.1 198.51.100.1"},
		{"the rest of an IPv6 address does not count", "", "2001:db8::f<2001:db8::9 2001:db8::8<2001:db8::9", "2001:db8::f 2001:db8::8"},

		{"gai.conf: IPv4 first", "precedence ::ffff:0:0/96  100\n", "2001:db8::1<2001:db8::9 192.0.2.1<192.0.2.9", "192.0.2.1 2001:db8::1"},
		{"gai.conf: a prefix last", "# comment\nprecedence 2001:db8:1::/48 10\n", "2001:db8:1::1<2001:db8:1::9 2001:db8::1<2001:db8:1::9", "2001:db8::1 2001:db8:1::1"},
		{"gai.conf: ULA first", "label ::1/128 0\nprecedence fc00::/7 50\nprecedence ::/0 40 # all\nprecedence ::ffff:0:0/96 35\n", "192.0.2.1<192.0.2.9 fd00::1<fd00::9", "fd00::1 192.0.2.1"},
		{"gai.conf: invalid lines do not count", "precedence x 100\nprecedence ::/129 100\nprecedence ::ffff:0:0/96\n", "192.0.2.1<192.0.2.9 2001:db8::1<2001:db8::9", "2001:db8::1 192.0.2.1"},
		{"gai.conf: an IPv4 prefix", "precedence 192.0.2.0/24 100\n", "2001:db8::1<2001:db8::9 198.51.100.1<192.0.2.9 192.0.2.1<192.0.2.9", "192.0.2.1 2001:db8::1 198.51.100.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []Dest
			for _, s := range strings.Fields(c.list) {
				addr, source, ok := strings.Cut(s, "<")
				d := Dest{HasSource: ok}
				if !d.Addr.ParseAddr(addr) || ok && !d.Source.ParseAddr(source) {
					t.Fatal(s)
				}
				list = append(list, d)
			}
			var p Policy
			p.Parse(c.gai)
			p.Sort(list)
			var got []string
			for i := range list {
				got = append(got, toNetip(&list[i].Addr).String())
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

func TestCanBeHost(t *testing.T) {
	for s, want := range map[string]bool{
		"0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "224.0.0.1": false, "239.255.255.250": false, "::": false, "ff02::1": false, "::ffff:0.0.0.0": false,
		"64:ff9b::": false, "64:ff9b::255.255.255.255": false, "64:ff9b::192.0.2.1": true, "64:ff9b:1::": true, "64:ff9b::1:0:0": true,
		"127.0.0.1": true, "::1": true, "10.0.0.255": true, "169.254.1.1": true, "240.0.0.1": true, "fe80::1": true, "fd00::1": true, "2001:db8::1": true,
	} {
		var a Addr
		if !a.ParseAddr(s) || a.CanBeHost() != want {
			t.Errorf("%s: %v, want %v", s, !want, want)
		}
	}
}

func TestIsLocalhost(t *testing.T) {
	for s, want := range map[string]bool{
		"localhost": true, "LocalHost.": true, "a.localhost": true, "a.b.localhost.": true, "localhost.lan": false, "alocalhost": false, "": false, ".": false,
	} {
		if IsLocalhost(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// TestZone keeps the zones of name servers and of addresses in hosts.
func TestZone(t *testing.T) {
	var c Config
	c.Parse("nameserver fe80::1%eth0\n", "", "", "")
	if want := netip.MustParseAddr("fe80::1%eth0"); c.NServers != 1 || toNetip(&c.Servers[0]) != want {
		t.Errorf("got %v, want %v", toNetip(&c.Servers[0]), want)
	}
	if got := scanAll([]byte("fe80::2%eth1 box"), "box", 3); len(got) != 1 || got[0] != netip.MustParseAddr("fe80::2%eth1") {
		t.Errorf("got %v", got)
	}
}
