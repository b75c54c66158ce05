//go:build unix

package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/golden"
	"fdrace/internal/resolve"

	"golang.org/x/sys/unix"
)

// A lostCase is a race that nobody won, and who was in it.
type lostCase struct {
	name    string
	words   string // the targets
	dialer  engine.Dialer
	lost    engine.Error
	plain   netip.Addr
	offline bool
}

var (
	dnsDead   = &net.DNSError{Err: "i/o timeout", Name: "box", IsTimeout: true}
	dnsSilent = &net.DNSError{Err: "no answer from name servers 192.0.2.53 and 192.0.2.54", Server: "192.0.2.53, 192.0.2.54", Name: "box", IsTimeout: true}
	dnsFails  = &net.DNSError{Err: "name server 192.0.2.53 failed (SERVFAIL), name server 192.0.2.54 refused (REFUSED)", Name: "box.example.org", IsTemporary: true}
	dnsThree  = &net.DNSError{Err: "name server 2001:db8:1111:2222:3333:4444:5555:6666 answers nothing at port 53 (connection refused), 2001:db8:1111:2222:3333:4444:5555:7777 did not understand the question (FORMERR), no answer from name server 2001:db8:1111:2222:3333:4444:5555:8888; the search list is not tried: a wildcard there could lead to another machine",
		Name: "box.example.org", Server: "2001:db8:1111:2222:3333:4444:5555:6666, 2001:db8:1111:2222:3333:4444:5555:7777, 2001:db8:1111:2222:3333:4444:5555:8888", IsTemporary: true}
	nowhere = &net.DNSError{Err: "no such host", Name: "box", IsNotFound: true}
	mptcps  = []engine.Transport{{Name: "mptcp"}}
)

// failed is a failure of addr, to which each of names leads.
func failed(at int, address, transport string, err error, names ...string) engine.Failure {
	f := engine.Failure{Candidate: engine.Candidate{Addr: addr(address), Transport: transport}, Err: err, At: time.Duration(at) * ms}
	if len(names) == 0 {
		names = []string{f.Addr.Addr().String()}
	}
	for i, name := range names {
		target := engine.Target{Host: name, Port: 22}
		if i == 0 {
			f.Target = target
		} else {
			f.Also = append(f.Also, target)
		}
	}
	return f
}

func fails(failures ...engine.Failure) engine.Error { return engine.Error{Failures: failures} }

func timesOut(failures ...engine.Failure) engine.Error {
	return engine.Error{Cause: context.DeadlineExceeded, Failures: failures}
}

func many() (list []engine.Failure) {
	list = append(list, failed(20, "192.0.2.1:22", "tcp", unix.ECONNREFUSED))
	for i := range 6 {
		list = append(list, failed(21+i, fmt.Sprintf("192.0.2.%d:22", 10+i), "tcp", unix.EHOSTUNREACH))
	}
	for i := range 17 {
		list = append(list, failed(10000, fmt.Sprintf("[2001:db8::%d]:22", i), "tcp", context.DeadlineExceeded))
	}
	return list
}

var lostCases = []lostCase{
	{name: "many alike are folded", words: "192.0.2.1 box", lost: timesOut(many()...)},
	{name: "four alike are not", words: "a b c d", lost: fails(
		failed(1, "192.0.2.1:22", "tcp", unix.ECONNREFUSED), failed(2, "192.0.2.2:22", "tcp", unix.ECONNREFUSED),
		failed(3, "192.0.2.3:22", "tcp", unix.ECONNREFUSED), failed(4, "192.0.2.4:22", "tcp", unix.ECONNREFUSED))},
	{name: "offline", words: "box", lost: fails(
		failed(2, "[2001:db8::5]:22", "tcp", local{unix.ENETUNREACH}, "box"), failed(2, "192.0.2.5:22", "tcp", local{unix.ENETUNREACH}, "box"))},
	{name: "offline, and a name", words: "box 192.0.2.5", offline: true, lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Err: dnsFails, At: 5 * ms}, failed(0, "192.0.2.5:22", "tcp", local{unix.ENETUNREACH}))},
	{name: "offline, and a host on the link that refuses", words: "192.0.2.5", offline: true, lost: fails(
		failed(1, "192.0.2.5:22", "tcp", unix.ECONNREFUSED))},
	{name: "no IPv6", words: "2001:db8::5", lost: fails(failed(0, "[2001:db8::5]:22", "tcp", local{unix.EADDRNOTAVAIL}))},
	{name: "no IPv6 in this kernel", words: "2001:db8::5", lost: fails(failed(0, "[2001:db8::5]:22", "tcp", os.NewSyscallError("socket", unix.EAFNOSUPPORT)))},
	{name: "a firewall that prohibits IPv4, or a host that is off", words: "192.0.2.5", lost: fails(failed(9, "192.0.2.5:22", "tcp", unix.EHOSTUNREACH))},
	{name: "text from elsewhere", words: "box", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Err: &net.DNSError{Err: "x\x1b[2J\nfdrace: \u202e\u009b" + strings.Repeat("y", 1000)}},
		failed(1, "192.0.2.5:22", "tcp", &engine.ProxyError{Said: "\x1b]0;title\a"}, "box\n\x1b[m"))},
	{name: "a proxy that is not there", words: "192.0.2.5", lost: fails(engine.Failure{
		Candidate: engine.Candidate{Target: engine.Target{Host: "192.0.2.5", Port: 22}, Transport: "socks5", Addr: engine.Addr{
			AddrPort: netip.MustParseAddrPort("192.0.2.3:1080"),
			Proxy:    &engine.Proxy{Kind: engine.SOCKS5, Server: engine.Target{Host: "192.0.2.3", Port: 1080}},
		}}, Err: unix.ECONNREFUSED, At: ms})},
	{name: "one host that refuses on both addresses", words: "box", lost: fails(
		failed(2, "[2001:db8::5]:22", "tcp", unix.ECONNREFUSED, "box"), failed(2, "192.0.2.5:22", "tcp", unix.ECONNREFUSED, "box"))},
	{name: "one address that refuses twice", words: "192.0.2.5", lost: fails(
		failed(2, "192.0.2.5:22", "mptcp", unix.ECONNREFUSED), failed(2, "192.0.2.5:22", "tcp", unix.ECONNREFUSED))},
	{name: "two addresses that refuse twice", words: "box", lost: fails(
		failed(2, "[2001:db8::5]:22", "mptcp", unix.ECONNREFUSED, "box"), failed(2, "[2001:db8::5]:22", "tcp", unix.ECONNREFUSED, "box"),
		failed(2, "192.0.2.5:22", "mptcp", unix.ECONNREFUSED, "box"), failed(2, "192.0.2.5:22", "tcp", unix.ECONNREFUSED, "box"))},
	{name: "IPv6 only", words: "192.0.2.5", lost: fails(failed(0, "192.0.2.5:22", "tcp", local{unix.ENETUNREACH}))},
	{name: "IPv6 only, and -4", words: "box", dialer: engine.Dialer{Family: engine.IPv4},
		lost: fails(failed(0, "192.0.2.5:22", "tcp", local{unix.ENETUNREACH}, "box"))},
	{name: "an IPv4 address, and -6", words: "192.0.2.5", dialer: engine.Dialer{Family: engine.IPv6},
		lost: fails(failed(0, "192.0.2.5:22", "", errors.New("not an IPv6 address")))},
	{name: "IPv4 only", words: "2001:db8::5", lost: fails(failed(0, "[2001:db8::5]:22", "tcp", local{unix.ENETUNREACH}))},
	{name: "unreachable beyond a router: no hint", words: "192.0.2.5", lost: fails(failed(30, "192.0.2.5:22", "tcp", unix.ENETUNREACH))},
	{name: "by an interface without a route", words: "192.0.2.5", dialer: engine.Dialer{Interface: "wlan0"},
		lost: fails(failed(0, "192.0.2.5:22", "tcp", local{unix.ENETUNREACH}))},
	{name: "this machine's firewall", words: "192.0.2.5", lost: fails(failed(0, "192.0.2.5:22", "tcp", local{unix.EPERM}))},
	{name: "a firewall on the way", words: "2001:db8::5", lost: fails(failed(9, "[2001:db8::5]:22", "tcp", unix.EACCES))},
	{name: "a prohibit route", words: "192.0.2.5", lost: fails(failed(0, "192.0.2.5:22", "tcp", local{unix.EACCES}))},
	{name: "a blackhole route", words: "192.0.2.5", lost: fails(failed(0, "192.0.2.5:22", "tcp", local{unix.EINVAL}))},
	{name: "a captive network", words: "box vpn-box", lost: timesOut(failed(3000, "10.0.0.1:22", "tcp",
		fmt.Errorf("%w: %w", engine.ErrNoBanner, context.DeadlineExceeded), "box", "vpn-box"))},
	{name: "two names of one host that is off: no hint", words: "box box.lan", lost: timesOut(failed(3000, "10.0.0.1:22", "tcp", context.DeadlineExceeded, "box", "box.lan"))},
	{name: "one name with a private address: no hint", words: "box", lost: fails(failed(3, "10.0.0.1:22", "tcp", unix.ECONNREFUSED, "box"))},
	{name: "two names with two: no hint", words: "box vpn-box", lost: fails(
		failed(3, "10.0.0.1:22", "tcp", unix.ECONNREFUSED, "box"), failed(3, "10.0.0.2:22", "tcp", unix.ECONNREFUSED, "vpn-box"))},
	{name: "no banner", words: "192.0.2.5", lost: timesOut(failed(3000, "192.0.2.5:22", "tcp",
		fmt.Errorf("%w: %w", engine.ErrNoBanner, context.DeadlineExceeded)))},
	{name: "no banner, and one that was not asked", words: "192.0.2.5 192.0.2.6", dialer: engine.Dialer{Banner: "SSH-"}, lost: timesOut(
		failed(3000, "192.0.2.5:22", "tcp", fmt.Errorf("%w: %w", engine.ErrNoBanner, context.DeadlineExceeded)),
		failed(3000, "192.0.2.6:22", "tcp", fmt.Errorf("%w: %w", engine.ErrNotAsked, context.DeadlineExceeded)))},
	{name: "a server that refuses this client", words: "192.0.2.5 192.0.2.6", dialer: engine.Dialer{Banner: "SSH-"}, lost: fails(
		failed(20, "192.0.2.5:22", "tcp", &engine.Refusal{Said: "Not allowed at this time"}), failed(20, "192.0.2.6:22", "tcp", unix.ECONNREFUSED))},
	{name: "a server that has no room", words: "192.0.2.5", dialer: engine.Dialer{Banner: "SSH-"}, lost: fails(
		failed(20, "192.0.2.5:22", "tcp", &engine.Refusal{Said: "Exceeded MaxStartups"}))},
	{name: "a server that says something else: no hint", words: "192.0.2.5", dialer: engine.Dialer{Banner: "SSH-"}, lost: fails(
		failed(20, "192.0.2.5:22", "tcp", &engine.Refusal{Said: "220 mail"}))},
	{name: "several attempts", words: "192.0.2.5", lost: timesOut(engine.Failure{
		Candidate: engine.Candidate{Target: engine.Target{Host: "192.0.2.5", Port: 22}, Addr: addr("192.0.2.5:22"), Transport: "tcp"}, Attempts: 6, Err: context.DeadlineExceeded})},
	{name: "plain TCP where MPTCP is required", words: "192.0.2.5", dialer: engine.Dialer{Transports: mptcps},
		lost: fails(failed(20, "192.0.2.5:22", "mptcp", errNoMPTCP))},
	{name: "MPTCP dropped, or nobody there", words: "192.0.2.5", dialer: engine.Dialer{Transports: mptcps},
		lost: timesOut(failed(3000, "192.0.2.5:22", "mptcp", context.DeadlineExceeded))},
	{name: "MPTCP dropped, and plain TCP is not", words: "192.0.2.5 192.0.2.6", dialer: engine.Dialer{Transports: mptcps}, plain: netip.MustParseAddr("192.0.2.5"),
		lost: timesOut(failed(3000, "192.0.2.5:22", "mptcp", context.DeadlineExceeded), failed(3000, "192.0.2.6:22", "mptcp", context.DeadlineExceeded))},
	{name: "a socket without room", words: "unix:/run/box", lost: timesOut(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "unix:/run/box"}, Addr: engine.Addr{Socket: resolve.Socket{Path: "/run/box"}}, Transport: "unix"},
			Err: fmt.Errorf("%w: %w", local{unix.EAGAIN}, context.DeadlineExceeded)})},
	{name: "no name server", words: "box", lost: timesOut(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Family: engine.IPv6, Err: context.DeadlineExceeded},
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Family: engine.IPv4, Err: context.DeadlineExceeded})},
	{name: "no name server, by its address", words: "box", lost: timesOut(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Family: engine.IPv6, Err: fmt.Errorf("%w: %w", dnsSilent, context.DeadlineExceeded)},
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Family: engine.IPv4, Err: fmt.Errorf("%w: %w", dnsSilent, context.DeadlineExceeded)})},
	{name: "name servers that fail", words: "box.example.org", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box.example.org", Port: 22}}, Err: dnsFails, At: 5 * ms})},
	{name: "a name server that gives up", words: "box", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Err: dnsDead, At: 5000 * ms})},
	{name: "no such name", words: "box", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Err: nowhere, At: 5 * ms})},
	{name: "a name that exists, and -6: no hint", words: "box", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box", Port: 22}}, Err: resolve.NotFound("box", "it has no IPv6 address in DNS"), At: 5 * ms})},
	{name: "a name of Tor", words: "box.onion", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box.onion", Port: 22}}, Err: resolve.NotFound("box.onion", "a name of Tor, which DNS is not asked for (RFC 7686): it takes --proxy")})},
	{name: "three name servers with long addresses", words: "box.example.org", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "box.example.org", Port: 22}}, Err: dnsThree, At: 5 * ms})},
	{name: "a socket that may not be used", words: "unix:/run/box", lost: fails(
		engine.Failure{Candidate: engine.Candidate{Target: engine.Target{Host: "unix:/run/box"}, Addr: engine.Addr{Socket: resolve.Socket{Path: "/run/box"}}, Transport: "unix"}, Err: local{unix.EACCES}})},
}

func TestLost(t *testing.T) {
	var all strings.Builder
	for _, tt := range lostCases {
		var targets []engine.Target
		for word := range strings.FieldsSeq(tt.words) {
			target, err := engine.ParseTarget(word, 22)
			if err != nil {
				t.Fatal(err)
			}
			targets = append(targets, target)
		}
		tt.dialer.Timeout = 3 * time.Second
		fmt.Fprintf(&all, "# %s\n%s\n\n", tt.name, strings.Join(lossLines(&raceError{&tt.lost, targets, &tt.dialer, tt.plain, tt.offline}), "\n"))
	}
	golden.Compare(t, "lost", all.String())
}

// Where only one has failed, and that is not the target, its name is told.
func TestWhoFailed(t *testing.T) {
	box, server := engine.Target{Host: "box", Port: 22}, engine.Target{Host: "proxy", Port: 1080}
	d := &engine.Dialer{
		Proxies:  []engine.Proxy{{Server: server, Target: box}},
		Commands: []engine.Command{{Name: "--jump bastion", Target: box}},
	}
	for _, tt := range []struct {
		f    engine.Failure
		want string
	}{
		{engine.Failure{Candidate: engine.Candidate{Target: server, Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("192.0.2.3:1080"), Proxy: &d.Proxies[0]}}, Err: unix.ECONNREFUSED},
			"socks5://192.0.2.3:1080: connection refused"},
		{engine.Failure{Candidate: engine.Candidate{Target: server, Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("192.0.2.3:1080"), Proxy: &d.Proxies[0]}}, Err: &engine.ProxyError{Said: "no"}},
			"the proxy said: no"},
		{engine.Failure{Candidate: engine.Candidate{Target: server}, Err: nowhere}, "proxy: no such host"},
		{engine.Failure{Candidate: engine.Candidate{Target: box}, Err: nowhere}, "no such host"},
		{engine.Failure{Candidate: engine.Candidate{Target: box, Addr: engine.Addr{Command: &d.Commands[0]}}, Err: engine.ErrCommandTimeout}, "--jump bastion: no SSH banner within 2 minutes"},
	} {
		lost := fails(tt.f)
		got := DescribeLoss(&lost, nil, d).What
		if want := "no connection to box:22: " + tt.want; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
