package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fdrace/internal/term"

	"golang.org/x/net/dns/dnsmessage"
)

// setSources sets who can be asked: never the network of this machine, nor its name
// servers (see nameServer).
func setSources(t *testing.T, resolved, avahi string, links func(context.Context, string, string) ([]netip.Addr, error)) {
	t.Helper()
	r, a, l := resolvedSocket, avahiSocket, sources[2].ask
	resolvedSocket, avahiSocket, sources[2].ask = resolved, avahi, links
	t.Cleanup(func() { resolvedSocket, avahiSocket, sources[2].ask = r, a, l })
}

func linksAnswer(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
}

func linksSilent(context.Context, string, string) ([]netip.Addr, error) {
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

// The replies are those of systemd-resolved 252 and avahi 0.8.
func TestMDNS(t *testing.T) {
	var none daemon
	resolved := func(reply string) daemon { return says(0, reply+"\x00") }
	avahi := func(reply string) daemon { return says('\n', reply+"\n") }
	off := resolved(`{"error":"io.systemd.Resolve.NoNameServers","parameters":{}}`)
	both := resolved(`{"parameters":{"addresses":[{"ifindex":1,"family":10,"address":[254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,1]},` +
		`{"ifindex":1,"family":10,"address":[32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1]}],"name":"box.local","flags":8388624}}`)
	for _, c := range []struct {
		name            string
		resolved, avahi daemon
		links           func(context.Context, string, string) ([]netip.Addr, error)
		network, want   string
	}{
		{"resolved", resolved(`{"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[192,168,1,65]}],"name":"box.local","flags":8388616}}`), none, linksSilent, "ip4", "192.168.1.65"},
		{"resolved, link-local", both, none, linksSilent, "ip6", "fe80::1%lo 2001:db8::1"},
		{"resolved, no such interface", resolved(`{"parameters":{"addresses":[{"ifindex":2147483647,"address":[254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}]}}`), none, linksSilent, "ip6", "fe80::1%2147483647"},
		{"resolved, interface not known", resolved(`{"parameters":{"addresses":[{"ifindex":-7,"address":[254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}]}}`), none, linksSilent, "ip6", "fe80::1"},
		{"avahi", none, avahi("+ 2 0 box.local 192.168.1.65"), linksSilent, "ip4", "192.168.1.65"},
		{"avahi, IPv6 over IPv4", none, avahi("+ 2 0 box.local 2001:db8::1"), linksSilent, "ip6", "2001:db8::1"},
		{"avahi, link-local", none, avahi("+ 1 1 box.local fe80::1"), linksSilent, "ip6", "fe80::1%lo"},
		{"avahi, interface not known", none, avahi("+ -1 0 box.local 192.168.1.65"), linksSilent, "ip4", "192.168.1.65"},
		{"avahi after resolved", off, avahi("+ 2 1 box.local 2001:db8::1"), linksSilent, "ip6", "2001:db8::1"},
		{"links after both", off, avahi("-15 Timeout reached"), linksAnswer, "ip4", "192.0.2.1"},
		{"links without both", none, none, linksAnswer, "ip4", "192.0.2.1"},
		{"links after junk from both", resolved(strings.Repeat("x", junkSize)), avahi(strings.Repeat("x", junkSize)), linksAnswer, "ip4", "192.0.2.1"},
		{"links after half a reply", says(0, `{"par`), says('\n', "+ 2 0 box.local 192.0"), linksAnswer, "ip4", "192.0.2.1"},
		{"resolved has the wrong family", both, none, linksSilent, "ip4", "systemd-resolved: a reply without an address"},
		{"resolved has three bytes", resolved(`{"parameters":{"addresses":[{"address":[1,2,3]}]}}`), none, linksSilent, "ip4", "systemd-resolved: a reply without an address"},
		{"resolved: malformed", resolved("+ 1"), none, linksSilent, "ip4", "systemd-resolved: malformed reply: invalid character"},
		{"resolved: error", resolved(`{"error":"io.systemd.Resolve.DNSError","parameters":{"rcode":3}}`), none, linksSilent, "ip4", "systemd-resolved: error DNSError"},
		{"avahi has the wrong family", none, avahi("+ 2 0 box.local 192.168.1.65"), linksSilent, "ip6", "avahi: an address of the other family: 192.168.1.65"},
		{"avahi: malformed", none, avahi("+ x 0 box.local 192.168.1.65"), linksSilent, "ip4", "avahi: malformed reply"},
		{"avahi: a zone of its own", none, avahi("+ 2 1 box.local fe80::1%x"), linksSilent, "ip6", "avahi: malformed reply"},
		{"avahi: no address", none, avahi("+ 2 1 box.local box"), linksSilent, "ip6", "avahi: malformed reply"},
		{"avahi: long", none, avahi("-1 " + strings.Repeat("x", 60_000)), linksSilent, "ip6", "avahi: " + strings.Repeat("x", term.MaxForeign-3) + "...; multicast DNS"},
		{"all fail", off, avahi("-15 Timeout reached"), linksSilent, "ip4",
			`lookup box.local: systemd-resolved: mDNS is off (error NoNameServers; "resolvectl mdns" shows and sets it); avahi: Timeout reached; ` +
				`multicast DNS: no answer on eth0; DNS: no test asks a real name server`},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			path := func(d daemon) string {
				if d.reply == nil {
					return absent(t)
				}
				return d.listen(t)
			}
			setSources(t, path(c.resolved), path(c.avahi), c.links)
			addrs, err := MDNS(context.Background(), c.network, "box.local")
			got := text(addrs)
			if err != nil {
				got = err.Error()
				var dns *net.DNSError
				if !errors.As(err, &dns) || !dns.IsNotFound {
					t.Errorf("%#v; want a *net.DNSError, not found", err)
				}
			}
			if !strings.Contains(got, c.want) || err == nil && got != c.want || len(got) > 1000 {
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

// TestAskSources checks at which time which source is asked, and when the lookup ends.
func TestAskSources(t *testing.T) {
	const ms = time.Millisecond
	type reply struct {
		after time.Duration // 0: it never answers
		addr  string        // or else err
		err   error
	}
	timeout := fmt.Errorf("dial: %w", syscall.ECONNRESET)
	fails := func(after time.Duration) reply { return reply{after: after, err: errors.New("failed")} }
	for _, c := range []struct {
		name     string
		replies  []reply
		deadline time.Duration // of the caller
		asked    []time.Duration
		want     string
		end      time.Duration
		is       error
	}{
		{name: "the first answers", replies: []reply{{after: 1, addr: "192.0.2.1"}, {}, {}}, asked: []time.Duration{0}, want: "192.0.2.1", end: 1},
		{name: "all silent", replies: []reply{{}, {}, {}, {}}, asked: []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}, end: 2500 * ms,
			want: "lookup box.local: no answer from s0; no answer from s1; no answer from s2; no answer from s3"},
		{name: "the next one once the first has failed", replies: []reply{fails(20 * ms), {after: 30 * ms, addr: "192.0.2.2"}}, asked: []time.Duration{0, 20 * ms}, want: "192.0.2.2", end: 50 * ms},
		{name: "a delay starts anew with each source", replies: []reply{fails(20 * ms), {}, {after: 1, addr: "192.0.2.3"}}, asked: []time.Duration{0, 20 * ms, 270 * ms}, want: "192.0.2.3", end: 270*ms + 1},
		{name: "a slow first one wins", replies: []reply{{after: 600 * ms, addr: "192.0.2.1"}, {}, {}}, asked: []time.Duration{0, 250 * ms, 500 * ms}, want: "192.0.2.1", end: 600 * ms},
		{name: "a failure after all were asked", replies: []reply{{after: 2 * time.Second, addr: "192.0.2.1"}, fails(1)}, asked: []time.Duration{0, 250 * ms}, want: "192.0.2.1", end: 2 * time.Second},
		{name: "all fail", replies: []reply{{after: 1, err: errNotRunning}, {after: 1, err: timeout}}, asked: []time.Duration{0, 1},
			want: "lookup box.local: s1: dial: connection reset by peer", end: 2, is: syscall.ECONNRESET},
		{name: "the caller's deadline", replies: []reply{fails(1), {}, {}}, deadline: 100 * ms, asked: []time.Duration{0, 1},
			want: "lookup box.local: context deadline exceeded", end: 100 * ms, is: context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				var asked []time.Duration
				var all []source
				for i, r := range c.replies {
					all = append(all, source{fmt.Sprintf("s%d", i), func(ctx context.Context, network, host string) ([]netip.Addr, error) {
						mu.Lock()
						asked = append(asked, time.Since(start))
						mu.Unlock()
						if network != "ip4" || host != "box.local" {
							t.Errorf("asked for %s %s", network, host)
						}
						answer := make(<-chan time.Time)
						if r.after > 0 {
							answer = time.After(r.after)
						}
						select {
						case <-ctx.Done():
							return nil, ctx.Err()
						case <-answer:
						}
						if r.err != nil {
							return nil, r.err
						}
						return []netip.Addr{netip.MustParseAddr(r.addr)}, nil
					}})
				}
				ctx := context.Background()
				if c.deadline > 0 {
					var cancel func()
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				addrs, err := askSources(ctx, all, "ip4", "box.local")
				got := text(addrs)
				if err != nil {
					got = err.Error()
				}
				if end := time.Since(start); got != c.want || end != c.end || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%s at %v\nwant %s at %v", got, end, c.want, c.end)
				}
				if !slices.Equal(asked, c.asked) {
					t.Errorf("asked at %v, want %v", asked, c.asked)
				}
			})
		})
	}
}

// TestRequests checks what the daemons are asked.
func TestRequests(t *testing.T) {
	noLeak(t)
	requests := make(chan string, 2)
	record := func(q string) string { requests <- q; return "no\n\x00" }
	setSources(t, daemon{0, record}.listen(t), daemon{'\n', record}.listen(t), linksSilent)
	ctx := context.Background()
	for network, want := range map[string][2]string{
		"ip4": {`{"method":"io.systemd.Resolve.ResolveHostname","parameters":{"family":2,"name":"box.local"}}`, "RESOLVE-HOSTNAME-IPV4 box.local"},
		"ip6": {`{"method":"io.systemd.Resolve.ResolveHostname","parameters":{"family":10,"name":"box.local"}}`, "RESOLVE-HOSTNAME-IPV6 box.local"},
	} {
		_, _ = askResolved(ctx, network, "box.local")
		if q := <-requests; q != want[0] {
			t.Errorf("resolved was asked %s", q)
		}
		_, _ = askAvahi(ctx, network, "box.local")
		if q := <-requests; q != want[1] {
			t.Errorf("avahi was asked %q", q)
		}
	}
	if _, err := askAvahi(ctx, "ip4", "box.local\nBROWSE-DNS-SERVERS"); err == nil {
		t.Error("avahi was asked two questions")
	}
}

// /etc/hosts has localhost everywhere, and in both families on most systems.
func TestHostsFileGoesFirst(t *testing.T) {
	setSources(t, absent(t), absent(t), func(context.Context, string, string) ([]netip.Addr, error) {
		t.Error("the links were asked")
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
	noLeak(t)
	serveDNS(t, map[string][]dnsmessage.ResourceBody{"box.local.": {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}})
	setSources(t, absent(t), absent(t), linksSilent)
	ctx := context.Background()
	if addrs, err := MDNS(ctx, "ip4", "box.local."); err != nil || text(addrs) != "192.0.2.1" {
		t.Errorf("%v, %v", addrs, err)
	}
	want := "lookup other.local: multicast DNS: no answer on eth0; DNS: no such host"
	if addrs, err := MDNS(ctx, "ip4", "other.local"); err == nil || err.Error() != want {
		t.Errorf("%v, %v; want %s", addrs, err, want)
	}
}

func TestMDNSDaemons(t *testing.T) {
	noLeak(t)
	var d daemon
	for _, c := range []struct{ resolved, avahi, want string }{
		{absent(t), absent(t), "[]"},
		{d.listen(t), absent(t), "[systemd-resolved]"},
		{absent(t), d.listen(t), "[avahi]"},
		{d.listen(t), d.listen(t), "[systemd-resolved avahi]"},
	} {
		setSources(t, c.resolved, c.avahi, linksSilent)
		if got := fmt.Sprint(MDNSDaemons()); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
