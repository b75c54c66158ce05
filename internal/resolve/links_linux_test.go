package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// allowPing lets this process have sockets for ping, which in a new network
// nobody may.
func allowPing(t *testing.T) {
	t.Helper()
	group := fmt.Sprintf("%[1]d %[1]d", os.Getegid())
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(group), 0); err != nil {
		t.Fatal(err)
	}
}

func TestMACAddrs(t *testing.T) {
	if !inside(t) {
		return
	}
	noLeak(t)
	meet(t)
	check := func(network string, seen int, want string) {
		t.Helper()
		addrs, n, err := MACAddrs(network, testMAC)
		got := fmt.Sprint(addrs)
		if err != nil {
			got = err.Error()
		}
		if got != want || n != seen {
			t.Errorf("%s: %s, %d seen\nwant %s, %d seen", network, got, n, want, seen)
		}
	}
	const none = `addresses of 00:00:07:cf:10:0a: the neighbour table has none ("ip neigh" shows it)`
	check("ip", 0, "[fe80::200:7ff:fecf:100a%e0 fe80::200:7ff:fecf:100a%e1]")
	check("ip4", 0, none)
	err := ip(
		"address add 2001:db8:1::1/64 dev e0 nodad",
		"address add 2001:db8:1::2/64 dev e1 nodad",
		"address add 2001:db8:2::1/56 dev e1 nodad",
		"neigh add 192.168.1.65 lladdr 00:00:07:cf:10:0a dev e0 nud stale",
		"neigh add 192.168.1.66 dev e0 nud failed",
		"neigh add 192.168.1.67 lladdr 00:00:07:cf:10:0b dev e0 nud reachable",
		"neigh add fe80::65 lladdr 00:00:07:cf:10:0a dev e1 nud stale",
		"neigh add fe80::200:7ff:fecf:100a lladdr 00:00:07:cf:10:0a dev e1 nud reachable",
		"link add e2 type veth peer name e3",
		"link set e2 addrgenmode none",
		"address add fe80::2/64 dev e2 nodad") // which is down
	if err != nil {
		t.Fatal(err)
	}
	check("ip4", 1, "[192.168.1.65]")
	addrs, seen, err := MACAddrs("ip6", testMAC)
	if err != nil || seen != 2 {
		t.Fatal(addrs, seen, err)
	}
	slices.SortFunc(addrs[:seen], netip.Addr.Compare)
	want := "[fe80::65%e1 fe80::200:7ff:fecf:100a%e1 fe80::200:7ff:fecf:100a%e0 2001:db8:1:0:200:7ff:fecf:100a]"
	if got := fmt.Sprint(addrs); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	every, err := EveryLink(netip.MustParseAddr("fe80::65"))
	if got := fmt.Sprint(every); got != "[fe80::65%e0 fe80::65%e1]" || err != nil {
		t.Errorf("on every link: %s, %v", got, err)
	}
	if err := ip("link set e0 down", "link set e1 down"); err != nil {
		t.Fatal(err)
	}
	if addrs, _, err := MACAddrs("ip", testMAC); err == nil || !strings.Contains(err.Error(), "no network interface is up") {
		t.Errorf("all links down: %v, %v", addrs, err)
	}
	if every, err := EveryLink(netip.MustParseAddr("fe80::65")); err == nil {
		t.Errorf("all links down: %v", every)
	}
}

// provoke returns what was found, in words.
func provoke(ctx context.Context, network string, mac net.HardwareAddr) string {
	var found []string
	err := SolicitNeighbor(ctx, network, mac, func(addrs []netip.Addr) {
		for _, a := range addrs {
			found = append(found, a.String())
		}
	})
	slices.Sort(found)
	if err != nil {
		found = append(found, err.Error())
	}
	return strings.Join(found, " ")
}

func TestSolicitNeighbor(t *testing.T) {
	if !inside(t) {
		return
	}
	noLeak(t)
	far := meet(t)
	ctx := context.Background()
	forget := func() {
		t.Helper()
		if err := errors.Join(ip("neigh flush all nud all"), far.ip("neigh flush all nud all")); err != nil {
			t.Fatal(err)
		}
	}
	const v4, v6 = "192.168.1.65", "fe80::65%e0"
	const forbidden = `IPv6, as the kernel forbids ping (sysctl net.ipv4.ping_group_range="0 2147483647")`
	for _, c := range []struct {
		ping          bool
		network, want string
	}{
		{false, "ip4", v4},
		{false, "ip", v4},
		{false, "ip6", "look for 00:00:07:cf:10:0a: nobody could be asked; not asked: " + forbidden},
		{true, "ip6", v6},
		{true, "ip4", v4},
		{true, "ip", v4 + " " + v6},
	} {
		if c.ping {
			allowPing(t)
		}
		if got := provoke(ctx, c.network, testMAC); got != c.want {
			t.Errorf("%s, ping is allowed: %v\ngot  %s\nwant %s", c.network, c.ping, got, c.want)
		}
		forget()
	}

	// Who knows us already has no need to ask for our MAC address.
	if err := far.ip("neigh add fe80::1 lladdr 02:00:00:00:00:01 dev e0 nud permanent"); err != nil {
		t.Fatal(err)
	}
	if got := provoke(ctx, "ip6", testMAC); got != v6 {
		t.Errorf("one who knows us: got %s, want %s", got, v6)
	}

	// What the table has already is found, too.
	forget()
	if err := ip("neigh add fe80::77 lladdr 00:00:07:cf:10:0a dev e1 nud stale"); err != nil {
		t.Fatal(err)
	}
	if got := provoke(ctx, "ip6", testMAC); got != "fe80::77%e1" {
		t.Error(got)
	}
}

func TestSolicitNeighborNobody(t *testing.T) {
	if !inside(t) {
		return
	}
	noLeak(t)
	meet(t)
	allowPing(t)
	if err := ip("address add 172.16.0.1/16 dev e1"); err != nil {
		t.Fatal(err)
	}
	// A packet to somebody who is not there stays in the kernel until it gives
	// up: so long nobody is said to be missing.
	nobody := net.HardwareAddr{2, 0, 0, 0, 0, 0x77}
	began := time.Now()
	want := "look for 02:00:00:00:00:77: no answer from IPv6 on e0, IPv6 on e1, 192.168.1.0/24; not asked: 172.16.0.0/16, which is larger than a /24"
	if got := provoke(context.Background(), "ip", nobody); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
		t.Errorf("it took %v", took)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	began = time.Now()
	if got := provoke(ctx, "ip", nobody); got != "look for 02:00:00:00:00:77: context deadline exceeded" || time.Since(began) > time.Second {
		t.Errorf("cancelled: %s after %v", got, time.Since(began))
	}
	if err := ip("link set e0 down", "link set e1 down"); err != nil {
		t.Fatal(err)
	}
	if got := provoke(context.Background(), "ip", nobody); !strings.Contains(got, "no network interface is up") {
		t.Error(got)
	}
}

// A responder is a host's Multicast DNS for the name box.local.
type responder struct {
	place
	// quiet is how many queries, in all, it does not hear.
	quiet int
	// toGroup: it answers to the group, and not to who has asked.
	toGroup bool
}

// serve hears the queries that come to group at e0 and answers them from the
// address at.
func (r *responder) serve(t *testing.T, group netip.AddrPort, at string) {
	t.Helper()
	var ear *os.File
	var mouth *net.UDPConn
	err := r.do(func() error {
		i, err := net.InterfaceByName("e0")
		if err != nil {
			return err
		}
		if ear, err = joinGroup(group, i.Index); err != nil {
			return err
		}
		mouth, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FilePacketConn(ear)
	ear.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); mouth.Close() })
	go func() {
		var buf [1500]byte
		for {
			n, from, err := conn.ReadFrom(buf[:])
			if err != nil {
				return
			}
			answer, ok := answerTo(buf[:n])
			if r.quiet--; r.quiet >= 0 || !ok {
				continue
			}
			if r.toGroup {
				from = net.UDPAddrFromAddrPort(group)
				if group.Addr().Is6() {
					from.(*net.UDPAddr).Zone = "e0"
				}
			}
			mouth.WriteTo(answer, from)
		}
	}()
}

func answerTo(query []byte) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || m.Response || len(m.Questions) != 1 || m.Questions[0].Name.String() != "box.local." {
		return nil, false
	}
	h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 10}
	m.Response, m.Authoritative = true, true
	m.Answers = []dnsmessage.Resource{
		{Header: h, Body: &dnsmessage.AResource{A: [4]byte{192, 168, 1, 65}}},
		{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0xfe, 0x80, 15: 0x65}}},
	}
	answer, err := m.Pack()
	return answer, err == nil
}

var (
	group4 = netip.MustParseAddrPort("224.0.0.251:5353")
	group6 = netip.MustParseAddrPort("[ff02::fb]:5353")
)

func TestAskLinks(t *testing.T) {
	if !inside(t) {
		return
	}
	far := meet(t)
	const at4, at6 = "192.168.1.65:0", "[fe80::65%e0]:0"
	for _, c := range []struct {
		name    string
		quiet   int
		toGroup bool
		group   netip.AddrPort
		at      string
		network string
		want    string
		after   time.Duration // the answer is not there before
	}{
		{"IPv4", 0, false, group4, at4, "ip4", "[192.168.1.65]", 0},
		{"IPv6", 0, false, group6, at6, "ip6", "[fe80::65%e0]", 0},
		{"the zone over IPv4", 0, false, group4, at4, "ip6", "[fe80::65%e0]", 0},
		{"to the group, IPv4", 0, true, group4, at4, "ip6", "[fe80::65%e0]", 0},
		{"to the group, IPv6", 0, true, group6, at6, "ip4", "[192.168.1.65]", 0},
		{"asked again", 1, false, group6, at6, "ip4", "[192.168.1.65]", 250 * time.Millisecond},
		{"and once more", 2, false, group4, at4, "ip4", "[192.168.1.65]", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			(&responder{far, c.quiet, c.toGroup}).serve(t, c.group, c.at)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			began := time.Now()
			addrs, err := askLinks(ctx, c.network, "box.local")
			if got := fmt.Sprint(addrs); err != nil || got != c.want || time.Since(began) < c.after {
				t.Errorf("%s, %v after %v; want %s after %v", got, err, time.Since(began), c.want, c.after)
			}
		})
	}
}

func TestAskLinksNobody(t *testing.T) {
	if !inside(t) {
		return
	}
	noLeak(t)
	meet(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if addrs, err := askLinks(ctx, "ip4", "box.local"); err == nil || err.Error() != "no answer on e0, e1" {
		t.Errorf("nobody: %v, %v", addrs, err)
	}
	if addrs, err := askLinks(ctx, "ip4", "box.local"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too late: %v, %v", addrs, err)
	}
	if err := ip("link set e0 down", "link set e1 down"); err != nil {
		t.Fatal(err)
	}
	if addrs, err := askLinks(context.Background(), "ip4", "box.local"); err == nil || !strings.Contains(err.Error(), "no network interface is up") {
		t.Errorf("no link: %v, %v", addrs, err)
	}
}
