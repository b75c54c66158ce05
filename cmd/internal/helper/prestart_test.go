package helper_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"fdrace/cmd/internal/helper"
	"fdrace/internal/prestart"
)

// TestRead: the lines that name addresses are not left to the runtime. What
// they mean is for FuzzRead.
func TestRead(t *testing.T) {
	for line, want := range map[string]bool{
		"192.0.2.1": true, "-- 192.0.2.1 22": true, "22 192.0.2.1": true, "-4 --mptcp -- 192.0.2.1 2222": true,
		"2001:db8::1": true, "::1": true, "fd00::1 192.0.2.1 22": true, "-6 2001:db8:1:2:3:4:5:6": true, "2001:db8::": true,
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 22": true,

		"": false, "--": false, "22": false, "box": false, "box 22": false, "192.0.2.1 box": false,
		"-v 192.0.2.1": false, "--banner 192.0.2.1": false, "-w 5 192.0.2.1": false, "--require-mptcp 192.0.2.1": false,
		"--mptcp 192.0.2.1 192.0.2.2": false,
		"-6 192.0.2.1":                false, "-4 2001:db8::1": false, "-4 -6 192.0.2.1": false,
		"192.0.2.1 0": false, "192.0.2.1 65536": false, "1 192.0.2.1 22": false, "192.0.2.1 --": false,
		"192.0.2.1 192.0.2.1": false, "192.0.2.1:22": false, "[2001:db8::1]:22": false,
		"fe80::1": false, "fe80::1%eth0": false, "::ffff:192.0.2.1": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false,
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9": false,
	} {
		if _, _, _, got := prestart.Read(strings.Fields(line)); got != want {
			t.Errorf("fdrace %s: read is %v", line, got)
		}
		same(t, strings.Fields(line))
	}
}

// FuzzRead: what is read before the runtime is what the runtime would read, and
// no address is missed for its spelling.
func FuzzRead(f *testing.F) {
	f.Add("-4\n--mptcp\n--\n192.0.2.1\n22")
	f.Add("22\n2001:db8::1\n1:2:3:4:5:6:7::\n::1\n1::2:3\n0022\n255.255.255.255")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		same(t, args)
		for _, word := range args {
			_, _, _, ok := prestart.Read([]string{word})
			if want := host(word); ok != want {
				t.Errorf("fdrace %q: read is %v", word, ok)
			}
		}
	})
}

// host reports whether word is an address that needs no more than a socket.
func host(word string) bool {
	a, err := netip.ParseAddr(word)
	if err != nil || a.Zone() != "" || a.Is6() && strings.Contains(word, ".") {
		return false
	}
	first := a.AsSlice()[0]
	if a.Is4() {
		return first > 0 && first < 224
	}
	return first > 0 && first < 0xfe || a.IsLoopback()
}

// same compares what Read makes of a line with what the runtime does.
func same(t *testing.T, args []string) {
	t.Helper()
	addrs, port, mptcp, ok := prestart.Read(args)
	if !ok {
		return
	}
	o, ok := helper.Quick(args)
	if !ok {
		t.Fatalf("fdrace %q: read, but not by Quick", args)
	}
	if want := (helper.Options{Words: o.Words, IPv4: o.IPv4, IPv6: o.IPv6, MPTCP: mptcp}); !reflect.DeepEqual(*o, want) {
		t.Errorf("fdrace %q: %+v, not all of which was read", args, *o)
	}
	targets, err := o.Targets()
	if err != nil || len(targets) != len(addrs) {
		t.Fatalf("fdrace %q: read as %v, not as %v, %v", args, addrs, targets, err)
	}
	seen := map[netip.Addr]bool{}
	for i, target := range targets {
		if a, err := netip.ParseAddr(target.Host); err != nil || a != addrs[i] || target.Port != port || seen[a] ||
			o.IPv4 && a.Is6() || o.IPv6 && a.Is4() {
			t.Errorf("fdrace %q: %v is read as %v, port %d", args, target, addrs[i], port)
		}
		seen[addrs[i]] = true
	}
}
