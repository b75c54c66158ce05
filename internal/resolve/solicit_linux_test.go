package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// allowPing opens ICMP sockets to this process until the end of the test. In a new
// network namespace they are closed to everybody.
func allowPing(t *testing.T) {
	t.Helper()
	const file = "/proc/sys/net/ipv4/ping_group_range"
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, fmt.Appendf(nil, "%[1]d %[1]d", os.Getegid()), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	// In a user namespace with one group, no range is empty, and this fails.
	t.Cleanup(func() { _ = os.WriteFile(file, before, 0) })
}

// pingAllowed reports whether ICMP sockets are open to this process.
func pingAllowed() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

func TestMACAddrs(t *testing.T) {
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
	const none = `addresses of 00:00:07:cf:10:0a: the neighbor table has none ("ip neigh" shows it)`
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
		"link add e2 index 13 type veth peer name e3 index 14",
		"link set e2 addrgenmode none",
		"address add fe80::2/64 dev e2 nodad") // which is down
	t.Cleanup(func() { ip("link delete e2") })
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

// solicit returns what was found as text.
func solicit(ctx context.Context, network string, mac net.HardwareAddr) string {
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
		} else if pingAllowed() {
			t.Log("ping was allowed by an earlier test; remedy: run this one alone, or as root")
			continue
		}
		if got := solicit(ctx, c.network, testMAC); got != c.want {
			t.Errorf("%s, ping is allowed: %v\ngot  %s\nwant %s", c.network, c.ping, got, c.want)
		}
		forget()
	}

	// A host that knows us has no need to ask for our MAC address.
	if err := far.ip("neigh add fe80::1 lladdr 02:00:00:00:00:01 dev f0 nud permanent"); err != nil {
		t.Fatal(err)
	}
	if got := solicit(ctx, "ip6", testMAC); got != v6 {
		t.Errorf("a host that knows us: got %s, want %s", got, v6)
	}

	// An address in the table is found at once.
	forget()
	if err := ip("neigh add fe80::77 lladdr 00:00:07:cf:10:0a dev e1 nud stale"); err != nil {
		t.Fatal(err)
	}
	if got := solicit(ctx, "ip6", testMAC); got != "fe80::77%e1" {
		t.Error(got)
	}

	// If one family does not answer, the other is enough.
	forget()
	if err := far.ip("address flush dev f0 scope link"); err != nil {
		t.Fatal(err)
	}
	shortTimes(t)
	solicitDefaults.arpTimeout = time.Second
	if got := solicit(ctx, "ip", testMAC); got != v4 {
		t.Errorf("a host without IPv6: %s", got)
	}
}

// shortTimes makes SolicitNeighbor give up early. The kernel does not.
func shortTimes(t *testing.T) solicitTimes {
	before := solicitDefaults
	solicitDefaults = solicitTimes{sweepAfter: 5 * time.Millisecond, pingAgain: 20 * time.Millisecond, pingTimeout: 20 * time.Millisecond, arpTimeout: 60 * time.Millisecond}
	t.Cleanup(func() { solicitDefaults = before })
	return solicitDefaults
}

// echoRequests returns how many the place has received.
func echoRequests(t *testing.T, p place) (n int) {
	t.Helper()
	err := p.do(func() error {
		counters, err := os.ReadFile("/proc/thread-self/net/snmp6")
		for line := range strings.Lines(string(counters)) {
			if name, value, _ := strings.Cut(line, " "); name == "Icmp6InEchos" {
				n, err = strconv.Atoi(strings.TrimSpace(value))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSolicitNobody(t *testing.T) {
	noLeak(t)
	far := meet(t)
	nobody := net.HardwareAddr{2, 0, 0, 0, 0, 0x77}
	ctx := context.Background()
	times := shortTimes(t)
	if err := ip("address add 172.16.0.1/16 dev e1"); err != nil {
		t.Fatal(err)
	}
	const swept, large = "192.168.1.0/24", "172.16.0.0/16, which is larger than a /24"
	const start, forbidden = "look for 02:00:00:00:00:77: ", `IPv6, as the kernel forbids ping (sysctl net.ipv4.ping_group_range="0 2147483647")`
	for _, c := range []struct {
		ping          bool
		network, want string
		after         time.Duration // the earliest time
	}{
		{false, "ip6", start + "nobody could be asked; not asked: " + forbidden, 0},
		{false, "ip4", start + "no answer from " + swept + "; not asked: " + large, times.arpTimeout},
		{false, "ip", start + "no answer from " + swept + "; not asked: " + forbidden + ", " + large, times.arpTimeout},
		{true, "ip6", start + "no answer from IPv6 on e0, IPv6 on e1", times.pingAgain + times.pingTimeout},
		{true, "ip", start + "no answer from IPv6 on e0, IPv6 on e1, " + swept + "; not asked: " + large, times.sweepAfter + times.arpTimeout},
	} {
		if c.ping {
			allowPing(t)
		} else if pingAllowed() {
			t.Log("ping was allowed by an earlier test; remedy: run this one alone, or as root")
			continue
		}
		began := time.Now()
		if got := solicit(ctx, c.network, nobody); got != c.want {
			t.Errorf("%s, ping is allowed: %v\ngot  %s\nwant %s", c.network, c.ping, got, c.want)
		}
		if took := time.Since(began); took < c.after {
			t.Errorf("%s took only %v", c.network, took)
		}
	}
	// Twice two pings on both links, and one for the host that answers.
	if n := echoRequests(t, far); n < 2 || n > 10 {
		t.Errorf("%d echo requests", n)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if got := solicit(canceled, "ip", nobody); got != start+"context canceled" {
		t.Errorf("canceled: %s", got)
	}
	solicitDefaults.arpTimeout = time.Hour
	canceled, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if got := solicit(canceled, "ip4", nobody); got != start+"context deadline exceeded" {
		t.Errorf("deadline: %s", got)
	}
	// With 512 addresses on the first two links there are none left for the third.
	shortTimes(t)
	err := ip("address flush dev e1", "address add 10.0.1.1/24 dev e1", "link add e2 index 13 type veth peer name e3 index 14",
		"link set e2 up", "link set e3 up", "address add 10.0.2.1/26 dev e2", "address add 10.0.3.1/32 dev e3")
	t.Cleanup(func() { ip("link delete e2") })
	if err != nil {
		t.Fatal(err)
	}
	want := start + "no answer from 192.168.1.0/24, 10.0.1.0/24; not asked: "
	if got := solicit(ctx, "ip4", nobody); !strings.HasPrefix(got, want) || !strings.Contains(got, "10.0.2.0/26, one network too many") {
		t.Errorf("three networks: %s", got)
	}
	if err := ip("link set e0 down", "link set e1 down", "link delete e2"); err != nil {
		t.Fatal(err)
	}
	if got := solicit(ctx, "ip", nobody); !strings.Contains(got, "no network interface is up") {
		t.Error(got)
	}
}

// TestTooManyNotifications overflows the buffer of the socket for notifications: the
// table is read instead.
func TestTooManyNotifications(t *testing.T) {
	noLeak(t)
	meet(t)
	notifications, err := watchNeighbors()
	if err != nil {
		t.Fatal(err)
	}
	defer notifications.Close()
	raw, err := notifications.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("neigh add 192.168.1.%d lladdr 02:00:00:00:01:00 dev e0", 100+i))
	}
	if err := ip(append(lines, "neigh add 192.168.1.65 lladdr 00:00:07:cf:10:0a dev e0")...); err != nil {
		t.Fatal(err)
	}
	var found []netip.Addr
	s := solicitation{network: "ip", mac: testMAC, found: func(addrs []netip.Addr) { found = append(found, addrs...) }}
	if err := s.receive(notifications); err != nil || text(found) != "192.168.1.65" {
		t.Errorf("%v, %v", found, err)
	}
	_ = notifications.SetReadDeadline(time.Unix(1, 0))
	if err := s.receive(notifications); err != nil || len(found) != 1 {
		t.Errorf("at the deadline: %v, %v", found, err)
	}
	notifications.Close()
	if err := s.receive(notifications); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestSweepSize(t *testing.T) {
	for prefix, want := range map[string]int{"192.168.1.1/24": 256, "10.0.0.1/30": 4, "10.0.0.1/32": 1, "10.0.0.1/23": 0, "10.0.0.1/0": 0} {
		if got := sweepSize(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s: %d, want %d", prefix, got, want)
		}
	}
	if got := sweepSize(netip.Prefix{}); got != 0 {
		t.Errorf("no prefix: %d", got)
	}
}
