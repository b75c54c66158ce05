package resolve

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A daemon is a fake one on a unix socket: it reads up to end, and answers what
// say makes of that, or hangs up; without say it is silent.
type daemon struct {
	end byte
	say func(question string) string
}

// serve returns the path of the socket.
func (d daemon) serve(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				question, err := r.ReadString(d.end)
				if err != nil {
					return
				}
				if d.say != nil {
					conn.Write([]byte(d.say(strings.TrimSuffix(question, string(d.end)))))
					return
				}
				r.ReadByte() // until the other end closes
			}()
		}
	}()
	return path
}

// without is the path of a daemon that does not run.
func without(t *testing.T) string { return filepath.Join(t.TempDir(), "absent") }

// daemons sets who can be asked: never the network of this machine, nor its name
// servers (see nameServer).
func daemons(t *testing.T, resolved, avahi string, links func(context.Context, string, string) ([]netip.Addr, error)) {
	t.Helper()
	r, a, w := resolvedSocket, avahiSocket, ways[2].ask
	resolvedSocket, avahiSocket, ways[2].ask = resolved, avahi, links
	t.Cleanup(func() { resolvedSocket, avahiSocket, ways[2].ask = r, a, w })
}

func answers(addr string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr(addr)}, nil
	}
}

func silent(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func unanswered(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no answer on eth0")
}

func TestIsMDNS(t *testing.T) {
	for host, want := range map[string]bool{
		"box.local": true, "box.local.": true, "BOX.Local": true, "a.b.local": true,
		"local": false, ".local": false, "box.local.org": false, "boxlocal": false, "": false,
	} {
		if got := IsMDNS(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// What the daemons really say was taken from systemd-resolved 252 and avahi 0.8.
func TestMDNS(t *testing.T) {
	resolvedSays := func(reply string) daemon {
		return daemon{0, func(string) string { return reply + "\x00" }}
	}
	avahiSays := func(reply string) daemon {
		return daemon{'\n', func(string) string { return reply + "\n" }}
	}
	absent := daemon{}
	hangs := daemon{end: 0xff}
	off := resolvedSays(`{"error":"io.systemd.Resolve.NoNameServers","parameters":{}}`)
	lo := resolvedSays(`{"parameters":{"addresses":[{"ifindex":1,"family":10,"address":[254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,1]},` +
		`{"ifindex":1,"family":10,"address":[32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1]}],"name":"box.local","flags":8388624}}`)
	for _, c := range []struct {
		name            string
		resolved, avahi daemon
		links           func(context.Context, string, string) ([]netip.Addr, error)
		network, want   string
	}{
		{"resolved", resolvedSays(`{"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[192,168,1,65]}],"name":"box.local","flags":8388616}}`), absent, silent, "ip4", "192.168.1.65"},
		{"resolved, link-local", lo, absent, silent, "ip6", "fe80::1%lo 2001:db8::1"},
		{"resolved, no such interface", resolvedSays(`{"parameters":{"addresses":[{"ifindex":2147483647,"address":[254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}]}}`), absent, silent, "ip6", "fe80::1%2147483647"},
		{"avahi", absent, avahiSays("+ 2 0 box.local 192.168.1.65"), silent, "ip4", "192.168.1.65"},
		{"avahi, link-local", absent, avahiSays("+ 1 1 box.local fe80::1"), silent, "ip6", "fe80::1%lo"},
		{"avahi after resolved", off, avahiSays("+ 2 1 box.local 2001:db8::1"), silent, "ip6", "2001:db8::1"},
		{"links after both", off, avahiSays("-15 Timeout reached"), answers("192.0.2.1"), "ip4", "192.0.2.1"},
		{"links without both", absent, absent, answers("192.0.2.1"), "ip4", "192.0.2.1"},
		{"both hang", hangs, hangs, answers("192.0.2.1"), "ip4", "192.0.2.1"},
		{"resolved has the wrong family", lo, absent, unanswered, "ip4", "systemd-resolved: an answer without an address"},
		{"resolved talks rubbish", resolvedSays("+ 1"), absent, unanswered, "ip4", "systemd-resolved: an answer that is not understood"},
		{"resolved has a name for it", resolvedSays(`{"error":"io.systemd.Resolve.DNSError","parameters":{"rcode":3}}`), absent, unanswered, "ip4", "systemd-resolved: DNSError"},
		{"avahi has the wrong family", absent, avahiSays("+ 2 0 box.local 192.168.1.65"), unanswered, "ip6", `avahi: an answer that is not understood: "+ 2 0 box.local 192.168.1.65"`},
		{"avahi talks rubbish", absent, avahiSays("+ x 0 box.local 192.168.1.65"), unanswered, "ip4", "avahi: an answer that is not understood"},
		{"all fail", off, avahiSays("-15 Timeout reached"), silent, "ip4",
			`lookup box.local: systemd-resolved: it does no Multicast DNS ("resolvectl mdns" shows and sets it); avahi: Timeout reached; no answer from multicast DNS; DNS: no test asks a real name server`},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			path := func(d daemon) string {
				if d.end == 0 && d.say == nil {
					return without(t)
				}
				return d.serve(t)
			}
			daemons(t, path(c.resolved), path(c.avahi), c.links)
			addrs, err := MDNS(context.Background(), c.network, "box.local")
			got := text(addrs)
			if err != nil {
				got = err.Error()
				var dns *net.DNSError
				if !errors.As(err, &dns) || !dns.IsNotFound {
					t.Errorf("%#v; want a *net.DNSError, not found", err)
				}
			}
			if !strings.Contains(got, c.want) || err == nil && got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func text(addrs []netip.Addr) string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return strings.Join(s, " ")
}

// What the daemons are asked.
func TestDaemonsAreAsked(t *testing.T) {
	noLeak(t)
	asked := make(chan string, 2)
	record := func(q string) string { asked <- q; return "no\n\x00" }
	daemons(t, daemon{0, record}.serve(t), daemon{'\n', record}.serve(t), silent)
	ctx := context.Background()
	for network, want := range map[string][2]string{
		"ip4": {`{"method":"io.systemd.Resolve.ResolveHostname","parameters":{"family":2,"name":"box.local"}}`, "RESOLVE-HOSTNAME-IPV4 box.local"},
		"ip6": {`{"method":"io.systemd.Resolve.ResolveHostname","parameters":{"family":10,"name":"box.local"}}`, "RESOLVE-HOSTNAME-IPV6 box.local"},
	} {
		_, _ = askResolved(ctx, network, "box.local")
		if q := <-asked; q != want[0] {
			t.Errorf("resolved is asked %s", q)
		}
		_, _ = askAvahi(ctx, network, "box.local")
		if q := <-asked; q != want[1] {
			t.Errorf("avahi is asked %q", q)
		}
	}
	if _, err := askAvahi(ctx, "ip4", "box.local\nBROWSE-DNS-SERVERS"); err == nil {
		t.Error("avahi was asked two questions")
	}
}

// /etc/hosts has localhost everywhere; nobody is asked for it.
func TestHostsFileGoesFirst(t *testing.T) {
	daemons(t, without(t), without(t), func(context.Context, string, string) ([]netip.Addr, error) {
		t.Error("somebody was asked")
		return nil, errors.New("asked")
	})
	addrs, err := MDNS(context.Background(), "ip4", "localhost")
	if err != nil || text(addrs) != "127.0.0.1" {
		t.Errorf("%v, %v", addrs, err)
	}
	if addrs, known := hostsFile(context.Background(), "ip4", "nowhere.invalid"); known {
		t.Errorf("nowhere.invalid is %v", addrs)
	}
}

func TestNameServersAreLast(t *testing.T) {
	serveDNS(t, map[string][]dnsmessage.ResourceBody{"box.local.": {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}})
	daemons(t, without(t), without(t), silent)
	began := time.Now()
	addrs, err := MDNS(context.Background(), "ip4", "box.local")
	if took := time.Since(began); err != nil || text(addrs) != "192.0.2.1" || took < mdnsNext {
		t.Errorf("%v, %v after %v", addrs, err, took)
	}
}

func TestMDNSIsCancelled(t *testing.T) {
	noLeak(t)
	hangs := daemon{end: 0xff}
	daemons(t, hangs.serve(t), hangs.serve(t), silent)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	began := time.Now()
	addrs, err := MDNS(ctx, "ip4", "box.local")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > mdnsNext {
		t.Errorf("%v, %v after %v", addrs, err, time.Since(began))
	}
}

func FuzzParseDaemons(f *testing.F) {
	f.Add([]byte(`{"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[192,168,1,65]}]}}`))
	f.Add([]byte("+ 2 1 box.local 2001:db8:1::beef"))
	f.Add([]byte("-15 Timeout reached"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for network, is := range map[string]func(netip.Addr) bool{"ip4": netip.Addr.Is4, "ip6": netip.Addr.Is6} {
			addrs, err := parseResolved(answer, network)
			more, err2 := parseAvahi(string(answer), network)
			if (err == nil) != (len(addrs) > 0) || (err2 == nil) != (len(more) > 0) {
				t.Fatalf("%v, %v, %v, %v", addrs, err, more, err2)
			}
			for _, a := range append(addrs, more...) {
				if !is(a) {
					t.Fatalf("%v is not of %s", a, network)
				}
			}
		}
	})
}
