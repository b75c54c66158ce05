//go:build linux

package lab

import (
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// network is what most tests need: a laptop, the internet, a wire.
func network(t testing.TB) (near, far *Host, w *Wire) {
	t.Helper()
	needWire(t)
	near, far = newTestHost(t, "near"), newTestHost(t, "far")
	w, err := NewWire(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return near, far, w
}

func link(t testing.TB, w *Wire, l *Link) *Link {
	t.Helper()
	l, err := w.Add(l)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// connect is a blocking connect from host h, timed on its own thread. The
// socket is closed at once.
func connect(h *Host, to string) (took time.Duration, err error) {
	domain, sa := socketAddress(netip.MustParseAddrPort(to))
	err = h.Do(func() error {
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		setPriority(prioHelper)
		start := time.Now()
		err = unix.Connect(fd, sa)
		took = time.Since(start)
		return err
	})
	return took, err
}

func mustRule(t *testing.T, words string) Rule {
	t.Helper()
	r, err := ParseRule(strings.Fields(words)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWireIsAccurate(t *testing.T) {
	noLeak(t)
	near, far, w := network(t)
	const rtt = 20 * time.Millisecond
	link(t, w, &Link{Name: "wifi", Near: near, Far: far, RTT: rtt})
	var took []time.Duration
	for range 10 {
		for _, to := range []string{"10.0.1.2:22", "[2001:db8:1::2]:22"} {
			d, err := connect(near, to) // nothing listens: the far kernel resets
			if err != unix.ECONNREFUSED {
				t.Fatal(err)
			}
			took = append(took, d-rtt)
		}
	}
	slices.Sort(took)
	t.Logf("connect took its 20 ms and %v, at most %v; the wire was late by %v at most", took[len(took)/2], took[len(took)-1], w.Late())
	// A busy machine makes some late, but a wire that is late makes all.
	if took[0] < 0 || took[0] > time.Millisecond {
		t.Errorf("connect took 20 ms and %v", took)
	}
	var syn Packet
	soonest := time.Hour
	for _, p := range w.Packets() {
		if p.Proto != unix.IPPROTO_TCP {
			continue
		}
		if p.Verdict != Delivered {
			t.Errorf("%v", p)
		}
		if p.Dir == Out {
			syn = p
			continue
		}
		d := p.At - syn.At
		soonest = min(soonest, d)
		if d < rtt/2 {
			t.Errorf("%v came %v after\n%v", p, d, syn)
		}
	}
	if soonest > rtt {
		t.Errorf("no answer came sooner than %v after its SYN", soonest)
	}
}

// TestRefusals holds that the kernel takes what the wire forges for true.
func TestRefusals(t *testing.T) {
	noLeak(t)
	near, far, w := network(t)
	l := link(t, w, &Link{Name: "wifi", Near: near, Far: far, RTT: 10 * time.Millisecond})
	for _, c := range []struct {
		rule   string
		v4, v6 error
	}{
		{"reset", unix.ECONNREFUSED, unix.ECONNREFUSED},
		{"icmp net", unix.ENETUNREACH, unix.ENETUNREACH},
		{"icmp host", unix.EHOSTUNREACH, unix.EHOSTUNREACH},
		{"icmp port", unix.ECONNREFUSED, unix.ECONNREFUSED},
		{"icmp prohibited", unix.EHOSTUNREACH, unix.EACCES},
		{"icmp ttl", unix.EHOSTUNREACH, unix.EHOSTUNREACH},
	} {
		l.Clear()
		l.Rule(mustRule(t, c.rule+" syn"))
		for to, want := range map[string]error{"10.0.1.2:22": c.v4, "[2001:db8:1::2]:22": c.v6} {
			if took, err := connect(near, to); err != want || took < 10*time.Millisecond || took > time.Second {
				t.Errorf("%s: connect to %s: %v after %v", c.rule, to, err, took)
			}
		}
	}
}

func TestRulesInMidFlight(t *testing.T) {
	noLeak(t)
	near, far, w := network(t)
	l := link(t, w, &Link{Name: "wifi", Near: near, Far: far, RTT: 10 * time.Millisecond})
	const to = "10.0.1.2:22"
	const ms = time.Millisecond
	expect := func(what string, least, most time.Duration) {
		t.Helper()
		var took []time.Duration // until one was not held up by this machine
		for len(took) == 0 || len(took) < 5 && took[len(took)-1] > most {
			d, _ := connect(near, to)
			took = append(took, d)
		}
		if slices.Min(took) < least || took[len(took)-1] > most {
			t.Errorf("%s: %v", what, took)
		}
	}
	expect("bare", 10*ms, 50*ms)
	l.Rule(mustRule(t, "pass out")) // the first that takes a packet decides
	l.Rule(mustRule(t, "delay 100ms"))
	expect("one way delayed", 110*ms, 150*ms)
	l.Clear()
	l.SetDelay(60*ms, 0)
	expect("slower", 60*ms, 100*ms)
	l.SetDelay(10*ms, 0)
	w.Mark()
	l.SetDown(true)
	time.AfterFunc(50*ms, func() { l.SetDown(false) })
	if took, _ := connect(near, to); took < 1000*ms { // the SYN comes again after a second
		t.Errorf("down at first: %v", took)
	}
	var verdicts []Verdict
	for _, p := range w.Packets() {
		if Syn.has(&p) {
			verdicts = append(verdicts, p.Verdict)
			if p.Again != (len(verdicts) == 2) {
				t.Errorf("%v", p)
			}
		}
	}
	if !slices.Equal(verdicts, []Verdict{Lost, Delivered}) {
		t.Errorf("the SYNs were %v", verdicts)
	}
}

// offline is a wire and a link no host is joined by, in which packets fly for
// ever.
func offline(t *testing.T, seed uint64) (*Wire, *Link) {
	w, err := NewWire(seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, &Link{Name: "x", wire: w, delay: time.Hour}
}

func (w *Wire) feed(l *Link, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handle(l, Out, (*[mtu]byte)(append(b, make([]byte, mtu)...)), len(b))
}

func TestLossIsAsSeeded(t *testing.T) {
	noLeak(t)
	draw := func(seed uint64) (verdicts []Verdict, lost int) {
		w, l := offline(t, seed)
		l.Rule(mustRule(t, "loss 30% syn"))
		for range 1000 {
			w.feed(l, fromHex(t, captured[0].hex))
		}
		for _, p := range w.Packets() {
			verdicts = append(verdicts, p.Verdict)
			if p.Verdict == Dropped {
				lost++
			}
		}
		return verdicts, lost
	}
	one, lost := draw(1)
	if lost < 250 || lost > 350 {
		t.Errorf("%d of 1000 lost", lost)
	}
	if again, _ := draw(1); !slices.Equal(one, again) {
		t.Error("the same seed draws other losses")
	}
	if other, _ := draw(2); slices.Equal(one, other) {
		t.Error("another seed draws the same losses")
	}
}

func TestRecordsAreBounded(t *testing.T) {
	noLeak(t)
	w, l := offline(t, 1)
	l.Rule(Rule{Do: Drop})
	syn := fromHex(t, captured[0].hex)
	for range maxRecords + 10 {
		w.feed(l, syn)
	}
	if n := len(w.Packets()); n != maxRecords {
		t.Errorf("%d records", n)
	}
	w.Mark()
	w.feed(l, syn)
	if n := len(w.Packets()); n != 1 {
		t.Errorf("%d records after the mark", n)
	}
	data := slices.Clone(syn)
	data[20+13] = byte(ACK)
	copy(data[20+40:], "\x01\x01\x01\x01") // NOPs for MP_CAPABLE
	w.feed(l, data)
	if n := len(w.Packets()); n != 1 {
		t.Error("a packet of mere data has a record")
	}
}

// TestNothingIsLostButByRule sends data both ways through a bad link, and gets
// every byte.
func TestNothingIsLostButByRule(t *testing.T) {
	noLeak(t)
	near, far, w := network(t)
	l := link(t, w, &Link{Name: "wifi", Near: near, Far: far})
	l.SetDelay(2*time.Millisecond, time.Millisecond)
	l.Rule(mustRule(t, "loss 1% later"))
	server, err := Serve(far, netip.MustParseAddrPort("10.0.1.2:22"), Behavior{Echo: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := dial(t, near, "10.0.1.2:22", false)
	defer c.Close()
	const size = 4 << 20
	sent, got := sha256.New(), sha256.New()
	go func() {
		random := rand.NewChaCha8([32]byte{})
		if _, err := io.CopyN(io.MultiWriter(c, sent), random, size); err != nil {
			t.Error(err)
		}
		c.CloseWrite()
	}()
	n, err := io.Copy(got, c)
	if err != nil || n != size {
		t.Fatalf("%d of %d bytes came back: %v", n, size, err)
	}
	if string(sent.Sum(nil)) != string(got.Sum(nil)) {
		t.Error("other bytes came back")
	}
	for d, name := range map[Direction]string{Out: "out", In: "in"} {
		if traffic := l.Traffic(d); traffic.Bytes < size {
			t.Errorf("%s: %v", name, traffic)
		}
	}
}

func TestMPTCPOnTheWire(t *testing.T) {
	noLeak(t)
	if err := mptcp.Supported(); err != nil {
		t.Skipf("%v; remedy: sysctl net.mptcp.enabled=1, on a kernel with CONFIG_MPTCP", err)
	}
	near, far, w := network(t)
	l := link(t, w, &Link{Name: "wifi", Near: near, Far: far})
	server, err := Serve(far, netip.MustParseAddrPort("[2001:db8:1::2]:22"), Behavior{Greeting: Banner, MPTCP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := dial(t, near, "[2001:db8:1::2]:22", true)
	defer c.Close()
	if on, err := c.MultipathTCP(); err != nil || !on {
		t.Fatalf("the connection is not MPTCP: %v, %v", on, err)
	}
	var seen []string
	for _, p := range w.Packets() {
		if p.Proto == unix.IPPROTO_TCP {
			seen = append(seen, p.Flags.String()+" "+p.MPTCP.String())
		}
	}
	if want := []string{"SYN capable", "SYN+ACK capable", "ACK capable"}; len(seen) < 3 || !slices.Equal(seen[:3], want) {
		t.Errorf("on the wire: %q", seen)
	}

	l.Rule(mustRule(t, "strip mptcp"))
	c = dial(t, near, "[2001:db8:1::2]:22", true)
	defer c.Close()
	if on, err := c.MultipathTCP(); err != nil || on {
		t.Errorf("MPTCP through a box that strips it: %v, %v", on, err)
	}
	// The checksum is right, or nothing would come.
	if _, err := io.ReadFull(c, make([]byte, len(Banner))); err != nil {
		t.Error(err)
	}
}

func dial(t testing.TB, h *Host, to string, mptcp bool) (c *net.TCPConn) {
	t.Helper()
	var d net.Dialer
	d.SetMultipathTCP(mptcp)
	err := h.Do(func() error {
		conn, err := d.DialContext(context.Background(), "tcp", to)
		if err == nil {
			c = conn.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// BenchmarkBulk is one TCP connection over a link without delay.
func BenchmarkBulk(b *testing.B) {
	near, far, w := network(b)
	link(b, w, &Link{Name: "wifi", Near: near, Far: far})
	server, err := Serve(far, netip.MustParseAddrPort("10.0.1.2:22"), Behavior{})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	c := dial(b, near, "10.0.1.2:22", false)
	defer c.Close()
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if _, err := c.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
}
