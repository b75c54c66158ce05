package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fdrace/internal/rawsys"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// A zoneServer answers "name TYPE" over UDP and TCP, on loopback.
type zoneServer struct {
	udp     *net.UDPConn
	tcp     net.Listener
	records map[string]string // addresses, or "SERVFAIL", "truncated ADDR...", "silent"

	mu    sync.Mutex
	asked map[string]int // by UDP
}

// serveNames starts a name server on each of addrs, all at one port, and has
// /etc/resolv.conf and /etc/hosts say so, with what lines adds to them.
func serveNames(t *testing.T, conf, hosts string, zones ...map[string]string) (servers []*zoneServer) {
	t.Helper()
	dir := t.TempDir()
	text := conf + "\n"
	old := [...]string{rawsys.HostsPath, rawsys.ResolvPath, rawsys.GaiPath}
	port := rawsys.DNSPort
	t.Cleanup(func() {
		rawsys.HostsPath, rawsys.ResolvPath, rawsys.GaiPath, rawsys.DNSPort = old[0], old[1], old[2], port
	})
	rawsys.DNSPort = 0
	for i, zone := range zones {
		addr := fmt.Sprintf("127.0.0.%d", 53+i)
		text += "nameserver " + addr + "\n"
		if zone == nil {
			continue // nobody listens
		}
		s := &zoneServer{records: zone, asked: map[string]int{}}
		servers = append(servers, s)
		var err error
		if s.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), rawsys.DNSPort))); err != nil {
			t.Fatal(err)
		}
		rawsys.DNSPort = uint16(s.udp.LocalAddr().(*net.UDPAddr).Port)
		if s.tcp, err = net.Listen("tcp", s.udp.LocalAddr().String()); err != nil {
			t.Fatal(err)
		}
		done := make(chan bool, 2)
		go func() { s.serveUDP(); done <- true }()
		go func() { s.serveTCP(); done <- true }()
		t.Cleanup(func() {
			s.udp.Close()
			s.tcp.Close()
			<-done
			<-done
		})
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "hosts"), []byte(hosts), 0o600)); err != nil {
		t.Fatal(err)
	}
	rawsys.HostsPath, rawsys.ResolvPath, rawsys.GaiPath = dir+"/hosts\x00", dir+"/resolv.conf\x00", dir+"/gai.conf\x00"
	t.Setenv("LOCALDOMAIN", "")
	t.Setenv("RES_OPTIONS", "")
	return servers
}

func (s *zoneServer) serveUDP() {
	var buf [1500]byte
	for {
		n, from, err := s.udp.ReadFrom(buf[:])
		if err != nil {
			return
		}
		if m := s.answer(buf[:n], false); m != nil {
			s.udp.WriteTo(m, from)
		}
	}
}

func (s *zoneServer) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		var b [1500]byte
		if _, err := io.ReadFull(c, b[:2]); err == nil {
			n, _ := io.ReadFull(c, b[:int(b[0])<<8|int(b[1])])
			if m := s.answer(b[:n], true); m != nil {
				c.Write([]byte{byte(len(m) >> 8)}) // a byte at a time is allowed, too
				c.Write([]byte{byte(len(m))})
				c.Write(m)
			}
		}
		c.Close()
	}
}

func (s *zoneServer) answer(question []byte, tcp bool) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 || len(m.Additionals) > 0 {
		return nil // an OPT record is what some servers cannot stand
	}
	q := m.Questions[0]
	key := strings.TrimSuffix(q.Name.String(), ".") + " " + strings.TrimPrefix(q.Type.String(), "Type")
	what, ok := s.records[key]
	if !tcp {
		s.mu.Lock()
		s.asked[key]++
		s.mu.Unlock()
	}
	m.Response, m.RecursionAvailable = true, true
	words := strings.Fields(what)
	switch {
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case what == "silent":
		return nil
	case what == "SERVFAIL":
		m.RCode, words = dnsmessage.RCodeServerFailure, nil
	case len(words) > 0 && words[0] == "truncated":
		words = words[1:]
		if m.Truncated = !tcp; m.Truncated {
			words = words[:1]
		}
	}
	for _, w := range words {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}
		if prefix, target, ok := strings.Cut(w, "/"); ok {
			var srv dnsmessage.SRVResource
			fmt.Sscanf(prefix, "%d,%d,%d", &srv.Priority, &srv.Weight, &srv.Port)
			srv.Target = dnsmessage.MustNewName(target)
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &srv})
		} else if a := netip.MustParseAddr(w); a.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		} else {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	out, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return out
}

// TestNames looks at what a race is told of names: by /etc/hosts, by servers
// that are well and some that are not.
func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name        string
		conf, hosts string
		zones       []map[string]string
		host        string
		kinds       []kind
		want        []string // sorted: a line for each answer
	}{
		{name: "both families", host: "box.example.org", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box.example.org AAAA": "2001:db8::5", "box.example.org A": "192.0.2.5 192.0.2.6"}},
			want:  []string{"AAAA [2001:db8::5]", "A [192.0.2.5 192.0.2.6]"}},
		{name: "one family: the other is told that there is none", host: "box.example.org", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box.example.org AAAA": "", "box.example.org A": "192.0.2.5"}},
			want:  []string{"AAAA it has no IPv6 address in DNS", "A [192.0.2.5]"}},
		{name: "the wildcard of a search domain is not asked", conf: "search corp.example", host: "box.example.org", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box.example.org AAAA": "SERVFAIL", "box.example.org A": "192.0.2.5", "box.example.org.corp.example AAAA": "2001:db8::bad"}},
			want:  []string{"AAAA name server 127.0.0.53 failed (SERVFAIL)", "A [192.0.2.5]"}},
		{name: "a full name for which servers fail", conf: "search corp.example", host: "box.example.org", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box.example.org AAAA": "SERVFAIL", "box.example.org A": "SERVFAIL", "box.example.org.corp.example AAAA": "2001:db8::bad"}},
			want: []string{"AAAA name server 127.0.0.53 failed (SERVFAIL); the search list is not tried: a wildcard there could lead to another machine",
				"A name server 127.0.0.53 failed (SERVFAIL); the search list is not tried: a wildcard there could lead to another machine"}},
		{name: "a closed port, then a server", host: "box", kinds: []kind{askA},
			zones: []map[string]string{nil, {"box A": "192.0.2.5"}},
			want:  []string{"A [192.0.2.5]"}},
		{name: "nobody listens", host: "box", kinds: []kind{askA}, zones: []map[string]string{nil},
			want: []string{"A name server 127.0.0.53 answers nothing at port 53 (connection refused)"}},
		{name: "truncated, and TCP has the rest", host: "box", kinds: []kind{askA},
			zones: []map[string]string{{"box A": "truncated 192.0.2.5 192.0.2.6"}}, want: []string{"A [192.0.2.5 192.0.2.6]"}},
		{name: "by TCP alone", conf: "options use-vc", host: "box", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box A": "192.0.2.5", "box AAAA": "2001:db8::5"}}, want: []string{"AAAA [2001:db8::5]", "A [192.0.2.5]"}},
		{name: "hosts: a zone, an alias, two lines", hosts: "fe80::1%lo BOX.lan box\n192.0.2.5\tx Box # y\n192.0.2.5 box\n", host: "box", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box A": "192.0.2.9"}}, want: []string{"AAAA [fe80::1%lo]", "A [192.0.2.5]"}},
		{name: "hosts: the other family", hosts: "192.0.2.5 box\n", host: "box", kinds: []kind{askAAAA}, zones: []map[string]string{{"box AAAA": "2001:db8::9"}},
			want: []string{"AAAA it has no IPv6 address in /etc/hosts"}},
		{name: "localhost", host: "me.localhost.", kinds: []kind{askAAAA, askA}, zones: []map[string]string{nil}, want: []string{"AAAA [::1]", "A [127.0.0.1]"}},
		{name: "onion", host: "box.onion", kinds: []kind{askA}, zones: []map[string]string{nil},
			want: []string{"A a name of Tor, which DNS is not asked for (RFC 7686): it takes --proxy"}},
		{name: "a name without addresses", host: "box.example.org", kinds: []kind{askAAAA, askA},
			zones: []map[string]string{{"box.example.org AAAA": "", "box.example.org A": ""}},
			want:  []string{"AAAA it has no address in DNS", "A it has no address in DNS"}},
		{name: "a name without one in the only family", host: "box", kinds: []kind{askAAAA}, conf: "search lan",
			zones: []map[string]string{{"box.lan AAAA": ""}}, want: []string{"AAAA it has no IPv6 address in DNS"}},
		{name: "a family that is not looked up", host: "box.example.org", kinds: []kind{askAAAA}, conf: "options no-aaaa",
			zones: []map[string]string{{"box.example.org AAAA": "2001:db8::5"}}, want: []string{"AAAA the option no-aaaa turns off the lookup of IPv6 addresses"}},
		{name: "no name", host: "box.example.org", kinds: []kind{askAAAA}, zones: []map[string]string{{}}, want: []string{"AAAA no such host"}},
		{name: "two servers fail", host: "box", kinds: []kind{askA}, conf: "search lan", zones: []map[string]string{nil, {"box.lan A": "SERVFAIL", "box A": "SERVFAIL"}},
			want: []string{"A name server 127.0.0.53 answers nothing at port 53 (connection refused), 127.0.0.54 failed (SERVFAIL)"}},
		{name: "a service", host: "_ssh._tcp.example.org", kinds: []kind{askSRV}, conf: "search corp.example",
			zones: []map[string]string{{"_ssh._tcp.example.org SRV": "20,0,22/c.example.org. 10,1,2222/a.example.org. 30,0,1/."}},
			want:  []string{"SRV [{a.example.org 2222 10 1} {c.example.org 22 20 0}]"}},
		{name: "no service", host: "_ssh._tcp.example.org", kinds: []kind{askSRV}, conf: "search corp.example",
			zones: []map[string]string{{"_ssh._tcp.example.org.corp.example SRV": "20,0,22/c.example.org."}},
			want:  []string{"SRV there is no such SRV record: ask for the host by its own name"}},
		{name: "a service that is not offered", host: "_ssh._tcp.example.org", kinds: []kind{askSRV},
			zones: []map[string]string{{"_ssh._tcp.example.org SRV": "0,0,0/."}}, want: []string{`SRV example.org offers no ssh (SRV target ".")`}},
		{name: "NAT64", kinds: []kind{askNAT64}, zones: []map[string]string{{"ipv4only.arpa AAAA": "64:ff9b::192.0.0.170 64:ff9b::192.0.0.171"}},
			want: []string{"NAT64 [64:ff9b::/96]"}},
		{name: "no answer from the first: the second's", host: "box", kinds: []kind{askA},
			zones: []map[string]string{{"box A": "silent"}, {"box A": "192.0.2.5"}}, want: []string{"A [192.0.2.5]", "A settled"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeak(t)
			serveNames(t, tt.conf, tt.hosts, tt.zones...)
			routines := runtime.NumGoroutine()
			k, err := newKernel(context.Background(), &Dialer{}, &Started{})
			if err != nil {
				t.Fatal(err)
			}
			defer k.shut()
			for _, kind := range tt.kinds {
				k.Lookup(question{0, kind, tt.host})
			}
			var got []string
			for left := len(tt.kinds); left > 0; {
				n, err := k.Wait(DefaultTimeout)
				if err != nil || k.Now() > DefaultTimeout {
					t.Fatal(err, got)
				}
				for _, a := range n.answers {
					got = append(got, describe(a))
					if !a.more {
						left--
					}
				}
				if n := runtime.NumGoroutine(); n > routines {
					t.Errorf("%d goroutines, %d before", n, routines)
				}
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func describe(a answer) string {
	what := strings.TrimSpace(questions[a.kind]) + " "
	var dns *net.DNSError
	switch {
	case errors.As(a.err, &dns):
		return what + dns.Err
	case a.err != nil:
		return what + a.err.Error()
	case a.services != nil:
		return what + fmt.Sprint(a.services)
	case a.prefixes != nil:
		return what + fmt.Sprint(a.prefixes)
	case a.addrs == nil:
		return what + "settled"
	}
	return what + fmt.Sprint(a.addrs)
}

// A race that ends says what the name servers have made of it.
func TestNamesAbandoned(t *testing.T) {
	noLeak(t)
	serveNames(t, "", "", map[string]string{"box A": "SERVFAIL"}, map[string]string{"box A": "silent"})
	const want = "name server 127.0.0.53 failed (SERVFAIL), no answer from name server 127.0.0.54"
	var err error
	// A busy machine needs longer for the first answer.
	for timeout := 150 * ms; timeout < DefaultTimeout; timeout *= 4 {
		_, err = (&Dialer{Timeout: timeout, Family: IPv4}).Dial(context.Background(), Target{"box", 22})
		var lost *Error
		if !errors.As(err, &lost) || len(lost.Failures) != 1 {
			t.Fatal(err)
		}
		err = lost.Failures[0].Err
		if errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), want) {
			return
		}
	}
	t.Errorf("%v, want %s", err, want)
}

// A race by name connects, and its block list and multicast addresses do not
// count.
func TestNamesDial(t *testing.T) {
	noLeak(t)
	live, _ := listener(t, "127.0.0.1")
	serveNames(t, "", "", map[string]string{"box AAAA": "::", "box A": "0.0.0.0 224.0.0.1 255.255.255.255 127.0.0.1", "ads A": "0.0.0.0", "ads AAAA": "::"})
	w, err := (&Dialer{}).Dial(context.Background(), Target{"box", live.Port})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	if w.Addr.Addr().String() != "127.0.0.1" || w.Known != 1 {
		t.Errorf("won by %v, %d candidates", w.Addr, w.Known)
	}
	_, err = (&Dialer{}).Dial(context.Background(), Target{"ads", live.Port})
	if !errors.Is(err, errNoHost) {
		t.Errorf("%v, want %v", err, errNoHost)
	}
}

// Silent names do not keep the one that has an address from being looked up.
func TestNamesBeyondSilentOnes(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	} else if limit.Cur < 4*maxNames {
		t.Skipf("%d descriptors are too few for so many silent names; remedy: ulimit -n %d", limit.Cur, 4*maxNames)
	}
	noLeak(t)
	defer func(d time.Duration) { nameTurn = d }(nameTurn)
	nameTurn = 20 * ms
	live, _ := listener(t, "127.0.0.1")
	zone := map[string]string{"last A": "127.0.0.1"}
	var targets []Target
	for i := range 2 * maxNames {
		name := fmt.Sprintf("n%d", i)
		zone[name+" A"] = "silent"
		targets = append(targets, Target{name, live.Port})
	}
	serveNames(t, "", "", zone)
	w, err := (&Dialer{Family: IPv4}).Dial(context.Background(), append(targets, Target{"last", live.Port})...)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	if w.Elapsed < 2*nameTurn {
		t.Errorf("won after %v: more than %d names were looked up at a time", w.Elapsed, maxNames)
	}
}
