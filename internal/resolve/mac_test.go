package resolve

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	for word, want := range map[string]string{
		"00:00:07:cf:10:0a": "00:00:07:cf:10:0a",
		"00-00-07-CF-10-0A": "00:00:07:cf:10:0a",
		"00:00:07:CF:10:0a": "00:00:07:cf:10:0a",
		"0:0:7:cf:10:a":     "00:00:07:cf:10:0a",
		"52:54:00:12:34:56": "52:54:00:12:34:56",

		// Something else: an IPv6 address, a host, a host and its port.
		"":                        "",
		"box":                     "",
		"ab:22":                   "",
		"::1":                     "",
		"1:2:3:4:5:6:7:8":         "",
		"00:00:07:cf:10:0a:01:02": "",
		"1:2::3:4:5:6":            "",
		"fe80::200:7ff:fecf:100a": "",
		"2001:db8:1":              "",
		"0000.07cf.100a":          "",
		"00-00-07-CF-10":          "",
		"00-00-07-CF-10-0A-01-02": "",
		"00-00-07-CF-10-0G":       "",
		"10-20-30-40":             "",
		"unix:/run/a:b":           "",

		"00:00:07":                "has 3 bytes, a MAC address has six, as in 00:00:5e:00:53:07",
		"00:00:07:cf:10":          "has 5 bytes",
		"00:00:07:cf:10:0g":       `"0g" is not a byte`,
		"00:00:07:cf:10:-a":       `"-a" is not a byte`,
		"00:00:07:cf:10:0a:2222":  "a port of its own is written 00-00-07-cf-10-0a:2222",
		"1:2:3:4:5:6:7:8:9":       "has 9 bytes",
		"00:00:00:00:00:00":       "all zeros",
		"01:00:5e:00:00:fb":       "that of a group",
		"ff-ff-ff-ff-ff-ff":       "that of a group",
		"aa:bb:cc:dd:ee:ff:g:h:i": "has 9 bytes",
	} {
		mac, is, err := ParseMAC(word)
		got := mac.String()
		if err != nil {
			got = err.Error()
		}
		if is != (want != "") || !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%q: %q, %v; want %q", word, got, is, want)
		}
	}
}

func FuzzParseMAC(f *testing.F) {
	f.Add("00:00:07:cf:10:0a")
	f.Add("00-00-07-CF-10-0A")
	f.Add("2001:db8::1:22")
	f.Fuzz(func(t *testing.T, word string) {
		mac, is, err := ParseMAC(word)
		if !is {
			if mac != nil || err != nil {
				t.Fatalf("%q is none, but %v, %v", word, mac, err)
			}
			return
		}
		if _, bad := netip.ParseAddr(word); bad == nil {
			t.Fatalf("%q is an IP address", word)
		}
		if err != nil {
			return
		}
		if again, _, err := ParseMAC(mac.String()); len(mac) != 6 || !slices.Equal(again, mac) || err != nil {
			t.Fatalf("%q is %v is %v, %v", word, mac, again, err)
		}
	})
}

func TestEUI64(t *testing.T) {
	for _, c := range []struct{ prefix, mac, want string }{
		{"fe80::/64", "34-56-78-9a-bc-de", "fe80::3656:78ff:fe9a:bcde"}, // as RFC 4291 appendix A draws it
		{"fe80::/64", "00:00:07:cf:10:0a", "fe80::200:7ff:fecf:100a"},
		{"2001:db8:1:2::/64", "02:00:00:00:00:01", "2001:db8:1:2::ff:fe00:1"},
	} {
		mac, err := net.ParseMAC(c.mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := EUI64(netip.MustParsePrefix(c.prefix), mac); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s under %s: %v, want %s", c.mac, c.prefix, got, c.want)
		}
	}
}
