//go:build unix

package main

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"fdrace/internal/helper"
)

// FuzzFastParse: what FastParse makes of a line is what kong makes of it.
func FuzzFastParse(f *testing.F) {
	f.Add("-4\n--\nbox\n22")
	f.Add("--mptcp\n-w\n5\n--delay=100ms\n-vv\nbox")
	f.Add("-b\n127.0.0.1\n--interface=lo\n--port\n22\n--banner\nbox")
	f.Fuzz(func(t *testing.T, line string) {
		if utf8.ValidString(line) { // of other bytes, which a path may have, kong makes U+FFFD
			sameAsKong(t, strings.Split(line, "\n"))
		}
	})
}

// TestFastParse: the lines that people write are quick.
func TestFastParse(t *testing.T) {
	t.Parallel() // as TestStartOtherwise: both need a processor for seconds, and no more
	for _, line := range []string{
		"192.0.2.1", "box 22", "-- box 22", "-4 -- box 22", "--mptcp -- box 22", "--require-mptcp box",
		"-w 5 -- box 22", "--timeout=5s box", "-v box", "-vv --banner -p 23 box", "-b 127.0.0.1 -B lo box vpn 22",
		"--delay 100ms --head-start=1s -- -box 22", "--names-only -- box 22",
		"--proxy socks5://a --proxy=http://b,c --proxy-auth x --no-direct -- box", "--jump a,b --jump c --or x --fallback 2s -- box",
	} {
		if !sameAsKong(t, strings.Fields(line)) {
			t.Errorf("fdrace %s: takes the slow way", line)
		}
	}
	for _, line := range lines() {
		sameAsKong(t, line)
	}
}

// sameAsKong says whether args is a line for FastParse. Then kong must agree.
func sameAsKong(t *testing.T, args []string) bool {
	t.Helper()
	quick, ok := helper.FastParse(args)
	if !ok {
		return false
	}
	var o helper.Options
	if err := parse(&o, args); err != nil {
		t.Errorf("fdrace %q: kong says %v, FastParse nothing", args, err)
	} else if !reflect.DeepEqual(*quick, o) {
		t.Errorf("fdrace %q: %+v by kong, %+v by FastParse", args, o, *quick)
	}
	return true
}

// lines are all lines of three of these words, and a target.
func lines() (all [][]string) {
	words := []string{
		"-4", "--ipv6", "--mptcp", "--require-mptcp", "--banner", "-v", "-vv", "-vvv", "-4v", "--verbose=2",
		"-w", "-w5", "--timeout", "--timeout=5", "--timeout=", "--timeout=soon", "--delay=100ms", "--head-start", "1.5",
		"--proxy=http://a,b", "--jump", "--or=a b", "--fallback=2", "--proxy-auth", "--no-direct", "--names-only",
		"-p", "--port", "--port=22", "-p=22", "-p22", "-b", "--bind-address", "127.0.0.1", "-B", "--interface=lo", "--every-interface",
		"--no-banner", "--banner=true", "-x", "--nonsense", "-", "--", "", "=", "22", "box", "--json", "-V", "-ipv4", "---",
	}
	for _, a := range words {
		for _, b := range words {
			all = append(all, []string{a, b, "target"})
			for _, c := range []string{"-w", "--", "--ipv4", "--port=1", "--head-start", "x", "-v"} {
				all = append(all, []string{a, b, c, "target"}, []string{a, c, b, "target", "22"}, []string{a, b, c})
			}
		}
	}
	return all
}
