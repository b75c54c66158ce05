package engine

import (
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for _, tt := range []struct {
		word string
		want Target
	}{
		{"box", Target{"box", 22}},
		{"box.example.org:2222", Target{"box.example.org", 2222}},
		{"box.example.org.", Target{"box.example.org.", 22}},
		{"my_host", Target{"my_host", 22}},
		{"192.0.2.1", Target{"192.0.2.1", 22}},
		{"192.0.2.1:65535", Target{"192.0.2.1", 65535}},
		{"2001:db8::1", Target{"2001:db8::1", 22}},
		{"2001:db8::1:22", Target{"2001:db8::1:22", 22}}, // an address as it stands
		{"[2001:db8::1]", Target{"2001:db8::1", 22}},
		{"[2001:db8::1]:2222", Target{"2001:db8::1", 2222}},
		{"fe80::1%eth0", Target{"fe80::1%eth0", 22}},
		{"[fe80::1%2]:2222", Target{"fe80::1%2", 2222}},
		{"::ffff:192.0.2.1", Target{"::ffff:192.0.2.1", 22}},
		{".host", Target{".host", 22}},
		{"machine/.host", Target{"machine/.host", 22}},
	} {
		got, err := ParseTarget(tt.word, 22)
		if err == nil {
			err = got.validate()
		}
		if err != nil || got != tt.want {
			t.Errorf("ParseTarget(%q) = %v, %v; want %v", tt.word, got, err, tt.want)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for word, remedy := range map[string]string{
		"":                       "a host is missing",
		":22":                    "a host is missing",
		"box:":                   `port "" is not a number from 1 to 65535`,
		"box:0":                  "from 1 to 65535",
		"box:65536":              "from 1 to 65535",
		"box:+22":                "from 1 to 65535",
		"box:ssh":                "from 1 to 65535",
		"[2001:db8::1":           "[2001:db8::1]:22",
		"[2001:db8::1]22":        "a colon and a port",
		"[box]:22":               "[2001:db8::1]:22",
		"[192.0.2.1]:22":         "[2001:db8::1]:22",
		"2001:db8::1::22":        "[2001:db8::1]:22",
		"2001:db8::1%eth0":       "-B eth0",
		"192.0.2.1%eth0":         "fe80::1%eth0",
		"box%eth0":               "fe80::1%eth0",
		"%h":                     "only ssh replaces",
		"fe80::1%0":              "zone 0 is not an interface",
		"fe80::1%eth0:22":        "an IPv6 address with a port is written [fe80::1%eth0]:22",
		"ff02::1%eth0":           "multicast, broadcast or in 0.0.0.0/8",
		"[224.0.0.1]:22":         "[2001:db8::1]:22",
		"224.0.0.1:22":           "multicast, broadcast or in 0.0.0.0/8",
		"255.255.255.255":        "multicast, broadcast or in 0.0.0.0/8",
		"0.1.2.3":                "multicast, broadcast or in 0.0.0.0/8",
		"0.0.0.0":                "not the address of a host",
		"::":                     "not the address of a host",
		"[::]:22":                "not the address of a host",
		"::ffff:0.0.0.0":         "not the address of a host",
		"me@box":                 `write only "box"`,
		"127.1":                  `"127.1": not an IPv4 address: write all four numbers`,
		"192.0.2.300":            `"192.0.2.300": not an IPv4 address: each of its four numbers`,
		"192.0.2.01":             `"192.0.2.01": not an IPv4 address: each of its four numbers`,
		"a,b":                    `"a,b": targets are separated by spaces`,
		"ssh://box":              `written without "ssh://": "box"`,
		"socks5://me:pw@box":     `"socks5://...@box": a host is written without "socks5://": "box"`,
		"box/":                   "cannot contain '/'",
		"two words":              "cannot contain a space",
		strings.Repeat("a", 255): "253 characters",
	} {
		if got, err := ParseTarget(word, 22); err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("ParseTarget(%q) = %v, %v; want an error with %q", word, got, err, remedy)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"box", "box:22", "[fe80::1%eth0]:22", "::", "192.0.2.1:1", "a@b", "[::ffff:1.2.3.4]", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		target, err := ParseTarget(word, 22)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q: the error is not one plain line: %q", word, err)
			}
			return
		}
		if again := target.String(); again == target.Host || strings.HasPrefix(again, target.Host+" port ") {
			return // a socket, or a MAC: for people to read
		}
		again, err := ParseTarget(target.String(), 1)
		if err != nil || again.String() != target.String() {
			t.Errorf("%q is %v, which reads back as %v, %v", word, target, again, err)
		}
	})
}
