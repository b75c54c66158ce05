//go:build amd64 || arm64

package engine

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"fdrace/internal/prestart"
	"fdrace/internal/rawsys"
	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// tryPrestart races before the runtime, as far as a test can, and returns what is left
// to continue. The scheduler does not know that the race blocks its thread: it would end
// it by SIGURG, and it needs other threads for the name server. What waits for a garbage
// collection still runs only when the race gives up (see isLate).
func tryPrestart(args ...string) (*Started, map[string]netip.Addr) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0))))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.Sigset_t
	unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGURG - 1)}}, &old)
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	begun := prestart.Try(args)
	conns, lookups, age := prestart.Handoff()
	s := &Started{Age: age, Sockets: map[netip.AddrPort]StartedSocket{}, Lookups: lookups}
	for _, c := range conns {
		s.Sockets[c.Peer] = StartedSocket{c.FD, c.At}
	}
	return s, begun
}

// isLate reports whether s ended because its patience did.
func isLate(s *Started) bool { return s.Age >= prestart.Patience }

// FuzzPrestart: what begins before the runtime is what the race would begin with, for
// whatever files and answers. Nothing listens at the port, so that both get no
// farther. Only loopback is reached.
func FuzzPrestart(f *testing.F) {
	for _, seed := range [][4]string{
		{"127.0.0.5 box\n::1 box", "", "", ""},
		{"127.0.0.5 other\n::1\tBOX # x\n0.0.0.0 box\n", "", "", ""},
		{"fe80::1%lo box", "", "", ""}, {"fe80::1 box", "", "", ""}, {"", "", "", ""},
		{"", "", "127.0.0.5 127.0.0.6", "::1"}, {"", "options no-aaaa", "127.0.0.5", "::1"},
		{"", "search example.org\noptions ndots:2 rotate", "127.0.0.5 0.0.0.0", "SERVFAIL"},
		{"", "options use-vc", "127.0.0.5", ""}, {"", "", "truncated 127.0.0.5 127.0.0.6", "::"},
		{"", "", "224.0.0.1 127.0.0.5", "ff02::1"}, {"", "options single-request", "127.0.0.5", "::ffff:127.0.0.9 ::1"},
		{"", "", "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7 127.0.0.8 127.0.0.9", "::1"},
	} {
		f.Add(seed[0], seed[1], "", seed[2], seed[3], "box", byte(0))
		f.Add(seed[0], seed[1], "precedence ::/0 40\nprecedence ::ffff:0:0/96 40", seed[2], seed[3], "box", byte(0))
		f.Add(seed[0], seed[1], "precedence ::ffff:0:0/96 100", seed[2], seed[3], "Box.", byte(1))
		f.Add(seed[0], seed[1], "", seed[2], seed[3], "box.localhost", byte(2))
	}
	f.Fuzz(func(t *testing.T, hosts, conf, gai, a, aaaa, name string, flags byte) {
		if strings.Contains(conf, "nameserver") || strings.ContainsAny(hosts+conf, "\x00") || !areLocal(t, hosts, name) {
			t.Skip() // it would go elsewhere
		}
		zone := map[string]string{}
		for kind, words := range map[string]string{"A": a, "AAAA": aaaa} {
			if words != "SERVFAIL" && !areAnswers(words, kind) {
				t.Skip()
			}
			for _, suffix := range []string{"", ".example.org"} {
				zone[strings.ToLower(strings.TrimSuffix(name, "."))+suffix+" "+kind] = words
			}
		}
		serveNames(t, conf, hosts, zone)
		if err := os.WriteFile(strings.TrimSuffix(rawsys.GaiPath, "\x00"), []byte(gai), 0o600); err != nil {
			t.Fatal(err)
		}
		port := refusing(t).Port
		var args []string
		family := []Family{AnyFamily, IPv4, IPv6}[flags%3]
		if family != AnyFamily {
			args = append(args, []string{"", "-4", "-6"}[family])
		}
		args = append(args, "--", name, fmt.Sprint(port))
		taken, begun := tryPrestart(args...)
		if begun == nil {
			t.Skip() // not for it
		}
		for _, started := range []*Started{taken, {}} {
			var d Dialer
			first := map[string]netip.Addr{}
			d.Family = family
			d.Report = func(e Event) {
				if _, known := first[e.Target.Host]; e.Kind == Start && !known {
					first[e.Target.Host] = e.Addr.Addr()
				}
			}
			if w, err := d.Continue(context.Background(), started, Target{name, port}); err == nil {
				t.Fatalf("connected to %v", w.Addr)
			}
			for host, addr := range begun {
				if first[host] != addr {
					t.Errorf("%s: began with %v, the race with %v", host, addr, first[host])
				}
			}
		}
	})
}

// areLocal reports whether all addresses that hosts has for name are of this machine,
// or none that anything is sent to.
func areLocal(t *testing.T, hosts, name string) bool {
	var h stub.Hosts
	h.Init(name)
	for b := []byte(hosts + "\n"); len(b) > 0; {
		n, found := h.Scan(b)
		if b = b[n:]; found && !isLocal(toNetip(&h.Addr)) {
			return false
		}
	}
	return true
}

func isLocal(a netip.Addr) bool {
	return a.IsLoopback() || !canBeHost(a)
}

// areAnswers reports whether words can be records of that type.
func areAnswers(words, kind string) bool {
	for _, w := range strings.Fields(strings.TrimPrefix(words, "truncated ")) {
		a, err := netip.ParseAddr(w)
		if err != nil || a.Zone() != "" || a.Is4() != (kind == "A") || !isLocal(a.Unmap()) {
			return false
		}
	}
	return !strings.HasPrefix(words, "truncated ") || len(strings.Fields(words)) > 1
}

// TestTakeOver: what was asked and begun before the runtime is not asked or begun
// again.
func TestTakeOver(t *testing.T) {
	for name, tt := range map[string]struct {
		args, a, aaaa string
		begun         string
	}{
		"truncated":                 {"-- box", "truncated 127.0.0.1 127.0.0.5", "", "map[]"},
		"too many addresses":        {"-- box", "127.0.0.1 0.0.0.0 127.0.0.11 127.0.0.12 127.0.0.13 127.0.0.14 127.0.0.15 127.0.0.16 127.0.0.17 127.0.0.18", "", "map[]"},
		"it cannot be passed":       {"-- box", "127.0.0.1", "", "map[box:127.0.0.1]"},
		"the first address refuses": {"-- box", "127.0.0.5 127.0.0.1", "", "map[box:127.0.0.5]"},
		"beside an address":         {"-- 127.0.0.5 box", "127.0.0.1", "", ""}, // whichever comes first
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			for range 20 { // the name server may be late
				if takesOver(t, strings.Fields(tt.args), map[string]string{"box A": tt.a, "box AAAA": tt.aaaa}, tt.begun) {
					return
				}
			}
			t.Error("the name server was late each time")
		})
	}
}

// takesOver races before the runtime and then with it. It returns false if no answer
// has come before.
func takesOver(t *testing.T, args []string, zone map[string]string, wantBegun string) (inTime bool) {
	live, _ := listener(t, "127.0.0.1")
	servers := serveNames(t, "", "", zone)
	started, begun := tryPrestart(append(args, fmt.Sprint(live.Port))...)
	late := isLate(started)
	if wantBegun != "" && fmt.Sprint(begun) != wantBegun && !late {
		t.Errorf("begun: %v, want %s", begun, wantBegun)
	}
	if len(started.Lookups) != 1 {
		t.Errorf("asked: %v", started.Lookups)
	}
	w, err := new(Dialer).Continue(context.Background(), started, Target{"127.0.0.5", live.Port}, Target{"box", live.Port})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	if w.Addr.Addr().String() != "127.0.0.1" {
		t.Errorf("won by %v", w.Addr)
	}
	s := servers[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked["box A"] != 1 || s.asked["box AAAA"] != 1 {
		t.Errorf("asked: %v", s.asked)
	}
	return !late
}
