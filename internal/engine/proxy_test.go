package engine

import (
	"errors"
	"strings"
	"testing"

	"fdrace/internal/resolve"
)

func socks(server string) Proxy {
	s, err := ParseTarget(server, 1080)
	if err != nil {
		panic(err)
	}
	return Proxy{Kind: SOCKS5, Server: s, Target: Target{"box", 22}}
}

// Times in want are ms since the race began, exact.
func TestProxies(t *testing.T) {
	one := []Proxy{socks("10.0.0.8")}
	two := []Proxy{socks("10.0.0.8"), socks("10.0.0.9")}
	const p8, p9 = "socks5://10.0.0.8:1080", "socks5://10.0.0.9:1080"
	no := &ProxyError{Said: "host unreachable (SOCKS5 reply 4)"}
	for _, tt := range []raceCase{
		{
			name: "the target answers: the proxy is not asked", targets: "10.0.0.5", dialer: Dialer{Proxies: one},
			hosts: hosts{"10.0.0.5": {rtt: 240 * ms}, p8: {rtt: 20 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 240 reset P8; 240 wins 10.0.0.5; 240 2 of 2 tried, by 10.0.0.5:22",
		},
		{
			name: "the target is silent: the proxy is asked after one delay", targets: "10.0.0.5", dialer: Dialer{Proxies: one},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 250 syn 10.0.0.5; 250 ask P8; 280 close 10.0.0.5; 280 close 10.0.0.5; 280 wins P8; 280 2 of 2 tried, by 10.0.0.8:1080",
		},
		{
			name: "the target refuses: it is asked at once", targets: "10.0.0.5", dialer: Dialer{Proxies: one},
			hosts: hosts{"10.0.0.5": {rtt: 20 * ms, err: refused}, p8: {rtt: 10 * ms, reply: 30 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 20 close 10.0.0.5; 20 ask P8; 50 wins P8; 50 2 of 2 tried, by 10.0.0.8:1080",
		},
		{
			name: "the delay counts from the last target's start", targets: "10.0.0.5 10.0.0.6", dialer: Dialer{Proxies: one, HeadStart: 100 * ms, NoRetry: true},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 100 syn 10.0.0.6; 350 ask P8; 380 close 10.0.0.5; 380 close 10.0.0.6; 380 wins P8; 380 3 of 3 tried, by 10.0.0.8:1080",
		},
		{
			name: "the target answers while the proxy is asked", targets: "10.0.0.5", dialer: Dialer{Proxies: one, NoRetry: true},
			hosts: hosts{"10.0.0.5": {rtt: 260 * ms}, p8: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn P8; 250 ask P8; 260 reset P8; 260 wins 10.0.0.5; 260 2 of 2 tried, by 10.0.0.5:22",
		},
		{
			name: "without targets", dialer: Dialer{Proxies: one},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn P8; 20 ask P8; 50 wins P8; 50 1 of 1 tried, by 10.0.0.8:1080",
		},
		{
			name: "one proxy at a time, the next after one delay", dialer: Dialer{Proxies: two},
			hosts: hosts{p8: {rtt: 20 * ms, deaf: true}, p9: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn P8; 0 syn P9; 20 ask P8; 270 ask P9; 300 reset P8; 300 wins P9; 300 2 of 2 tried, by 10.0.0.9:1080",
		},
		{
			name: "or when it has refused", dialer: Dialer{Proxies: two},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 10 * ms, refuse: no}, p9: {rtt: 25 * ms, reply: 30 * ms}},
			want:  "0 syn P8; 0 syn P9; 20 ask P8; 30 reset P8; 30 ask P9; 60 wins P9; 60 2 of 2 tried, by 10.0.0.9:1080",
		},
		{
			name: "all refuse", targets: "10.0.0.5", dialer: Dialer{Proxies: two},
			hosts: hosts{"10.0.0.5": {rtt: 5 * ms, err: refused}, p8: {rtt: 20 * ms, reply: 10 * ms, refuse: no}, p9: {rtt: 20 * ms, err: refused}},
			want: "0 syn 10.0.0.5; 0 syn P8; 0 syn P9; 5 close 10.0.0.5; 20 close P9; 20 ask P8; 30 reset P8; 30 race: all 3 candidates failed; " +
				"  connect tcp 10.0.0.5:22: connection refused at 5;   connect socks5 P9: connection refused at 20; " +
				"  connect socks5 P8: the proxy said: host unreachable (SOCKS5 reply 4) at 30",
		},
		{
			name: "a proxy that never answers is bounded by the deadline", dialer: Dialer{Proxies: one, Timeout: 1000 * ms},
			hosts: hosts{p8: {rtt: 20 * ms, deaf: true}},
			want: "0 syn P8; 20 ask P8; 1000 reset P8; 1000 race: context deadline exceeded; " +
				"  connect socks5 P8: the proxy has not answered: context deadline exceeded at 1000",
		},
		{
			name: "a lost SYN to the proxy", dialer: Dialer{Proxies: one},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms, lost: 1}},
			want:  "0 syn P8; 250 syn P8; 270 close P8; 270 ask P8; 300 wins P8; 300 1 of 1 tried, by 10.0.0.8:1080; 300 attempt 2 of 2, after one was lost",
		},
		{
			name: "the addresses of the proxy race", dialer: Dialer{Proxies: []Proxy{socks("box:1080")}}, zone: dual,
			hosts: hosts{"socks5://10.0.0.5:1080": {rtt: 20 * ms, reply: 30 * ms}},
			want: "0 syn socks5://[fd99::5]:1080; 250 syn socks5://10.0.0.5:1080; 270 ask socks5://10.0.0.5:1080; " +
				"300 close socks5://[fd99::5]:1080; 300 wins socks5://10.0.0.5:1080; 300 2 of 2 tried, by box:1080",
		},
		{
			name: "the same address as a target and as a proxy", targets: "10.0.0.8:1080", dialer: Dialer{Proxies: one, NoRetry: true},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn 10.0.0.8:1080; 0 syn P8; 250 ask P8; 280 close 10.0.0.8:1080; 280 wins P8; 280 2 of 2 tried, by 10.0.0.8:1080",
		},
		{
			name: "with a banner, after the reply", dialer: Dialer{Proxies: one, Banner: "SSH-"},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms, banner: 40 * ms}},
			want:  "0 syn P8; 20 ask P8; 50 ack P8; 90 wins P8; 90 1 of 1 tried, by 10.0.0.8:1080",
		},
		{
			name: "a target that accepts and is silent has one delay before the proxy is asked", targets: "10.0.0.5", dialer: Dialer{Proxies: one, Banner: "SSH-"},
			hosts: hosts{"10.0.0.5": {rtt: 100 * ms, mute: true}, p8: {rtt: 20 * ms, reply: 30 * ms, banner: 10 * ms}},
			want: "0 syn 10.0.0.5; 0 syn P8; 100 ack 10.0.0.5; 350 ask P8; 380 ack P8; 390 reset 10.0.0.5; 390 wins P8; " +
				"390 2 of 2 tried, by 10.0.0.8:1080",
		},
		{
			name: "plain TCP, whatever the targets' transports", dialer: Dialer{Proxies: one, Transports: twoTransports},
			hosts: hosts{p8: {rtt: 20 * ms, reply: 30 * ms}},
			want:  "0 syn P8; 20 ask P8; 50 wins P8; 50 1 of 1 tried, by 10.0.0.8:1080",
		},
		{
			name: "a name behind a proxy that has none", dialer: Dialer{Proxies: []Proxy{socks("proxy:1080")}},
			zone: zone{"proxy A": {err: nxdomain}, "proxy AAAA": {err: nxdomain}},
			want: "0 race: proxy: lookup box: no such host;   proxy: lookup box: no such host at 0",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: tt.zone, hosts: tt.hosts}
			got := f.race(t, tt.dialer, tt.targets)
			want := strings.NewReplacer("P8", p8, "P9", p9, "; ", "\n").Replace(tt.want)
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Sockets that are found, or asked for, before they are a connection.
func TestMachines(t *testing.T) {
	gone := errors.New("no such machine")
	for _, tt := range []raceCase{
		{
			name: "a virtual machine", targets: "machine/box", zone: zone{"box MACHINE": {after: 10 * ms, addrs: "vsock:7"}},
			hosts: hosts{"vsock:7:22": {rtt: 1 * ms}},
			want:  "10 syn vsock:7:22; 11 wins vsock:7:22; 11 1 of 1 tried, by machine/box",
		},
		{
			name: "a container", targets: "machine/box", zone: zone{"box MACHINE": {after: 10 * ms, addrs: "unix:/run/s"}},
			hosts: hosts{"unix:/run/s": {inside: true}},
			want:  "10 syn unix:/run/s; 10 wins unix:/run/s; 10 1 of 1 tried, by machine/box",
		},
		{
			name: "nobody knows it", targets: "machine/box", zone: zone{"box MACHINE": {after: 10 * ms, err: gone}},
			want: "10 race: machine/box: no such machine;   machine/box: no such machine at 10",
		},
		{
			name: "a multiplexer is asked at once, with a target beside it", targets: "10.0.0.5 vsock-mux/s", dialer: Dialer{NoRetry: true},
			hosts: hosts{"vsock-mux:/s port 22": {rtt: 1 * ms, reply: 3 * ms}},
			want:  "0 syn 10.0.0.5; 0 syn MUX; 1 ask MUX; 4 close 10.0.0.5; 4 wins MUX; 4 2 of 2 tried, by vsock-mux/s",
		},
		{
			name: "and with a banner", targets: "vsock-mux/s", dialer: Dialer{Banner: "SSH-"},
			hosts: hosts{"vsock-mux:/s port 22": {rtt: 1 * ms, reply: 3 * ms, banner: 5 * ms}},
			want:  "0 syn MUX; 1 ask MUX; 4 ack MUX; 9 wins MUX; 9 1 of 1 tried, by vsock-mux/s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{dns: tt.zone, hosts: tt.hosts}
			got := f.race(t, tt.dialer, tt.targets)
			if want := strings.NewReplacer("MUX", "vsock-mux:/s port 22", "; ", "\n").Replace(tt.want); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// script is what a proxy replies to, and with what.
type script struct{ said, replies string }

// TestHandshakes: whatever the pieces in which a reply comes, the proxy's bytes are
// taken and no other.
func TestHandshakes(t *testing.T) {
	const banner = "SSH-2.0-lab\r\n"
	four := Target{"192.0.2.1", 22}
	six := Target{"2001:db8::1", 2222}
	name := Target{"box", 22}
	for _, tt := range []struct {
		name  string
		proxy Proxy
		steps []script
		want  string // the error
	}{
		{"SOCKS5, a name", Proxy{Target: name}, []script{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x03box\x00\x16", "\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2"}}, ""},
		{"SOCKS5, IPv4, and a name in the reply", Proxy{Target: four}, []script{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x16", "\x05\x00\x00\x03\x04name\x04\xd2"}}, ""},
		{"SOCKS5, IPv6 both ways", Proxy{Target: six}, []script{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x04\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x08\xae", "\x05\x00\x00\x04" + strings.Repeat("\x00", 18)}}, ""},
		{"SOCKS5, a login", Proxy{Target: name, User: "me", Password: "pw"}, []script{
			{"\x05\x02\x00\x02", "\x05\x02"}, {"\x01\x02me\x02pw", "\x01\x00"},
			{"\x05\x01\x00\x03\x03box\x00\x16", "\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2"}}, ""},
		{"SOCKS5, a login that is not asked for", Proxy{Target: name, User: "me", Password: "pw"}, []script{
			{"\x05\x02\x00\x02", "\x05\x00"}, {"\x05\x01\x00\x03\x03box\x00\x16", "\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2"}}, ""},
		{"SOCKS5, a wrong login", Proxy{Target: name, User: "me", Password: "pw"}, []script{
			{"\x05\x02\x00\x02", "\x05\x02"}, {"\x01\x02me\x02pw", "\x01\x01"}}, "the proxy said: wrong user name or password (SOCKS5 login status 1)"},
		{"SOCKS5, a login is missing", Proxy{Target: name}, []script{{"\x05\x01\x00", "\x05\xff"}},
			"the proxy said: no access without a login (SOCKS5 method 255)"},
		{"SOCKS5 wants GSSAPI", Proxy{Target: name, User: "me"}, []script{{"\x05\x02\x00\x02", "\x05\x01"}},
			"the proxy said: it requires a kind of login that fdrace does not support (SOCKS5 method 1)"},
		{"SOCKS5, refused", Proxy{Target: name}, []script{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x03box\x00\x16", "\x05\x05\x00\x01"}}, "the proxy said: connection refused (SOCKS5 reply 5)"},
		{"SOCKS5, a reply of its own", Proxy{Target: name}, []script{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x03box\x00\x16", "\x05\xf0\x00\x01"}}, "the proxy said: SOCKS5 reply 240"},
		{"no SOCKS5", Proxy{Target: name}, []script{{"\x05\x01\x00", "HT"}}, "not a SOCKS5 proxy: it speaks HTTP: write http://HOST:PORT"},
		{"no SOCKS5, nor HTTP", Proxy{Target: name}, []script{{"\x05\x01\x00", "SS"}}, "not a SOCKS5 proxy: its reply begins with 0x53"},
		{"SOCKS4a, a name", Proxy{Kind: SOCKS4a, Target: name, User: "me"}, []script{
			{"\x04\x01\x00\x16\x00\x00\x00\x01me\x00box\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00"}}, ""},
		{"SOCKS4, an address", Proxy{Kind: SOCKS4a, Target: four}, []script{
			{"\x04\x01\x00\x16\xc0\x00\x02\x01\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00"}}, ""},
		{"SOCKS4a, refused", Proxy{Kind: SOCKS4a, Target: four}, []script{
			{"\x04\x01\x00\x16\xc0\x00\x02\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"}}, "the proxy said: request rejected or failed (SOCKS4 reply 91)"},
		{"CONNECT", Proxy{Kind: HTTP, Target: name}, []script{
			{"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n", "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n"}}, ""},
		{"CONNECT, IPv6 and a login", Proxy{Kind: HTTP, Target: six, User: "me", Password: "p:w"}, []script{
			{"CONNECT [2001:db8::1]:2222 HTTP/1.1\r\nHost: [2001:db8::1]:2222\r\nProxy-Authorization: Basic bWU6cDp3\r\n\r\n",
				"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\n\n"}}, ""},
		{"CONNECT, forbidden", Proxy{Kind: HTTP, Target: name}, []script{
			{"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n", "HTTP/1.1 403 Filt\x1bered\r\nA: b\r\n\r\n"}}, "the proxy said: HTTP/1.1 403 Filt?ered"},
		{"CONNECT, a login is missing", Proxy{Kind: HTTP, Target: name}, []script{
			{"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n", "HTTP/1.1 407 Log in\r\nproxy-authenticate: Basic realm=\"x\"\r\nProxy-Authenticate:Negotiate\r\n\r\n"}},
			`the proxy said: HTTP/1.1 407 Log in: it asks for Basic realm="x", or Negotiate`},
		{"no HTTP", Proxy{Kind: HTTP, Target: name}, []script{
			{"CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n", "ICY 200 OK\r\n\r\n"}}, `not an HTTP proxy: it said "ICY 200 OK"`},
	} {
		for size := 1; size <= 64; size *= 2 {
			h := newHandshake(&attempt{candidate: &candidate{addr: Addr{Proxy: &tt.proxy}}})
			left, err := play(t, h, tt.steps, banner, size)
			switch {
			case tt.want != "":
				if err == nil || err.Error() != tt.want {
					t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
				}
			case err != nil || !h.done || left != banner:
				t.Errorf("%s in pieces of %d: %v, done %v, left to the server's reader %q", tt.name, size, err, h.done, left)
			}
		}
	}
}

// TestMux: Firecracker answers, others have the server speak at once.
func TestMux(t *testing.T) {
	for reply, want := range map[string]string{
		"OK 1073741824\n": "", "": "", "Oh no\n": `the proxy said: "Oh no"`,
	} {
		for size := 1; size <= 32; size *= 2 {
			h := newHandshake(&attempt{candidate: &candidate{addr: Addr{Socket: resolve.Socket{Path: "/s", Mux: true, Port: 22}}}})
			left, err := play(t, h, []script{{"CONNECT 22\n", reply}}, "SSH-2.0-lab\r\n", size)
			if want == "" && (err != nil || !h.done || left != "SSH-2.0-lab\r\n") || want != "" && (err == nil || err.Error() != want) {
				t.Errorf("%q in pieces of %d: %v, done %v, left %q", reply, size, err, h.done, left)
			}
		}
	}
}

// play has h meet a proxy whose bytes come in pieces of size, and whose last reply
// has the server's banner in the same segment. It returns what h has left.
func play(t *testing.T, h *handshake, steps []script, banner string, size int) (left string, err error) {
	for i, s := range steps {
		if string(h.out) != s.said {
			t.Errorf("said %q, want %q", h.out, s.said)
		}
		h.out = nil
		if left = s.replies; i == len(steps)-1 {
			left += banner
		}
		for left != "" && len(h.out) == 0 && !h.done {
			n, err := h.take([]byte(left[:min(size, len(left))]))
			if left = left[n:]; err != nil {
				return left, err
			}
			if n == 0 && !h.done {
				return left, errors.New("nothing taken")
			}
		}
	}
	return left, nil
}

// A proxy that closes is quoted as far as it came.
func TestProxyCloses(t *testing.T) {
	for said, want := range map[string]string{
		"":                        errProxyClosed.Error(),
		"HTTP/1.0 503 Busy\r\n":   "the proxy said: HTTP/1.0 503 Busy",
		"HTTP/1.0 503 Busy":       "the proxy said: HTTP/1.0 503 Busy",
		"HTTP/1.0 200 OK\r\nVia:": errProxyClosed.Error(), // it had no more to say
		"HTTP/1.1 100 OK\r\n":     errProxyClosed.Error(),
		"HTTP/1.0":                errProxyClosed.Error(),
		"Go away":                 `not an HTTP proxy: it said "Go away"`,
	} {
		h := newHandshake(&attempt{candidate: &candidate{addr: Addr{Proxy: &Proxy{Kind: HTTP, Target: Target{"box", 22}}}}})
		h.out = nil
		if _, err := h.take([]byte(said)); err != nil {
			t.Fatal(err)
		}
		if err := h.closed(); err.Error() != want {
			t.Errorf("%q: %v, want %s", said, err, want)
		}
	}
	mux := newHandshake(&attempt{candidate: &candidate{addr: Addr{Socket: resolve.Socket{Path: "/m", Mux: true, Port: 22}}}})
	if err := mux.closed(); err != errNoVsock {
		t.Errorf("a multiplexer: %v", err)
	}
}

// What cannot become a reply is not waited for.
func TestNoReply(t *testing.T) {
	for said, want := range map[string]string{
		"HTTP/1.0 200 OK\r\n" + strings.Repeat("x", maxReply): "16384 bytes of a proxy's reply without an end",
		strings.Repeat("HTTP/1.1 100 Go\r\n\r\n", maxReply):   "16384 bytes of a proxy's reply without an end",
		"SSH-2.0-OpenSSH_9.6\r\n":                             `not an HTTP proxy: it said "SSH-2.0-OpenSSH_9.6"`,
		"\r\n":                                                `not an HTTP proxy: it said ""`,
	} {
		h := newHandshake(&attempt{candidate: &candidate{addr: Addr{Proxy: &Proxy{Kind: HTTP, Target: Target{"box", 22}}}}})
		h.out = nil
		if _, err := h.take([]byte(said)); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", said, err, want)
		}
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(0, []byte("\x05\x02\x01\x00\x05\x00\x00\x03\x04name\x04\xd2SSH-"))
	f.Add(1, []byte("\x00\x5a\x00\x00\x00\x00\x00\x00SSH-"))
	f.Add(2, []byte("HTTP/1.0 200 OK\r\n\r\nSSH-"))
	f.Fuzz(func(t *testing.T, kind int, said []byte) {
		p := &Proxy{Kind: ProxyKind(uint(kind) % 3), Target: Target{"box", 22}, User: "me", Password: "pw"}
		whole := newHandshake(&attempt{candidate: &candidate{addr: Addr{Proxy: p}}})
		pieces := newHandshake(&attempt{candidate: &candidate{addr: Addr{Proxy: p}}})
		read := func(h *handshake, size int) (taken int, err error) {
			for !h.done && err == nil && taken < len(said) {
				h.out = nil
				var n int
				n, err = h.take(said[taken:min(taken+size, len(said))])
				taken += n
			}
			return taken, err
		}
		n, err := read(whole, len(said)+1)
		m, again := read(pieces, 1)
		if n != m || whole.done != pieces.done || (err == nil) != (again == nil) {
			t.Errorf("%q: %d taken, %v; in pieces %d, %v", said, n, err, m, again)
		}
	})
}
