//go:build unix

package prestart_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"fdrace/internal/helper"
	"fdrace/internal/prestart"
	"fdrace/internal/resolve"
)

// TestParse: the lines that name addresses and common names are not left to the
// runtime. What they mean is for FuzzParse.
func TestParse(t *testing.T) {
	for line, want := range map[string]bool{
		"192.0.2.1": true, "-- 192.0.2.1 22": true, "22 192.0.2.1": true, "-4 --mptcp -- 192.0.2.1 2222": true,
		"2001:db8::1": true, "::1": true, "fd00::1 192.0.2.1 22": true, "-6 2001:db8:1:2:3:4:5:6": true, "2001:db8::": true,
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 22": true,
		"box": true, "box 22": true, "192.0.2.1 box": true, "-6 -- box.example.org. 22": true, "box_1 Box-2 3box": true, "1.2.3": false, "192.0.2.256": false, "127.1": false, "a,b": false,
		"2001:db8::192.0.2.1": true, "00-00-5e-00-53": true,

		"": false, "--": false, "22": false, "0 22": false, "box.local": false, "box.onion.": false, "_ssh._tcp.example.org": false, "-- -box": false,
		"00-00-5e-00-53-01": false, "00:00:5e:00:53:01": false, "unix:/x": false, "./x": false, "vsock:3": false, "me@box": false, "b\u00f6x": false, "box box": false,
		"-v 192.0.2.1": false, "--banner 192.0.2.1": false, "-w 5 192.0.2.1": false, "--require-mptcp 192.0.2.1": false,
		"--mptcp 192.0.2.1 192.0.2.2": false, "--mptcp box 192.0.2.2": false,
		"-6 192.0.2.1": false, "-4 2001:db8::1": false, "-4 -6 192.0.2.1": false, "-4 -6 box": false,
		"192.0.2.1 0": false, "192.0.2.1 65536": false, "1 192.0.2.1 22": false, "192.0.2.1 --": false,
		"192.0.2.1 192.0.2.1": false, "192.0.2.1:22": false, "[2001:db8::1]:22": false, "box:22": false,
		"fe80::1": false, "fe80::1%eth0": false, "::ffff:192.0.2.1": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false,
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9": false,
	} {
		if _, _, _, got := prestart.Parse(strings.Fields(line)); got != want {
			t.Errorf("fdrace %s: read is %v", line, got)
		}
		same(t, strings.Fields(line))
	}
}

// FuzzParse: what is read before the runtime is what the runtime would read, and
// no address is missed for its spelling.
func FuzzParse(f *testing.F) {
	f.Add("-4\n--mptcp\n--\n192.0.2.1\n22")
	f.Add("22\n2001:db8::1\n1:2:3:4:5:6:7::\n::1\n1::2:3\n0022\n255.255.255.255\nbox.example.org\n00-00-5e-00-53-01")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		same(t, args)
		for _, word := range args {
			_, _, _, ok := prestart.Parse([]string{word})
			if want := host(word); want && !ok {
				t.Errorf("fdrace %q is not read", word)
			}
			same(t, []string{word})
		}
	})
}

// host reports whether word is an address that needs no more than a socket.
func host(word string) bool {
	a, err := netip.ParseAddr(word)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return false
	}
	first := a.AsSlice()[0]
	if a.Is4() {
		return first > 0 && first < 224
	}
	return first > 0 && first < 0xfe || a.IsLoopback()
}

// same compares what Parse makes of a line with what the runtime does.
func same(t *testing.T, args []string) {
	t.Helper()
	words, port, mptcp, ok := prestart.Parse(args)
	if !ok {
		return
	}
	o, ok := helper.FastParse(args)
	if !ok {
		t.Fatalf("fdrace %q: read, but not by Quick", args)
	}
	if want := (helper.Options{Words: o.Words, IPv4: o.IPv4, IPv6: o.IPv6, MPTCP: mptcp}); !reflect.DeepEqual(*o, want) {
		t.Errorf("fdrace %q: %+v, not all of which was read", args, *o)
	}
	targets, err := o.Targets()
	if err != nil || len(targets) != len(words) {
		t.Fatalf("fdrace %q: read as %q, not as %v, %v", args, words, targets, err)
	}
	seen := map[string]bool{}
	for i, target := range targets {
		word := target.Host
		a, err := netip.ParseAddr(word)
		if err == nil {
			word = a.String()
		} else if _, is, _ := resolve.ParseMAC(word); is || resolve.IsMDNS(word) || resolve.IsSRV(word) {
			t.Errorf("fdrace %q: %s is read as a name", args, word)
		} else if _, is, _ := resolve.ParseSocket(word); is {
			t.Errorf("fdrace %q: %s is read as a name", args, word)
		}
		if word != words[i] || target.Port != port || seen[word] || err == nil && (o.IPv4 && a.Is6() || o.IPv6 && a.Is4()) {
			t.Errorf("fdrace %q: %v is read as %s, port %d", args, target, words[i], port)
		}
		seen[word] = true
	}
}
