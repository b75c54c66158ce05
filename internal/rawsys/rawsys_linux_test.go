package rawsys

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, path *string, text string) {
	t.Helper()
	old := *path
	t.Cleanup(func() { *path = old })
	name := filepath.Join(t.TempDir(), "file")
	*path = name + "\x00"
	if text == "" {
		return
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestHostsFile reads with buffers that lines do not fit into.
func TestHostsFile(t *testing.T) {
	const text = "127.0.0.1 localhost\n192.0.2.1 other box # box\n# 192.0.2.2 box\n2001:db8::1\tBOX\nfe80::1%lo box\n192.0.2.3 boxes\n192.0.2.4 box"
	for _, tt := range []struct {
		text string
		size int
		want string
	}{
		{text, 1, "192.0.2.1 2001:db8::1 fe80::1 192.0.2.4"}, {text, 7, "192.0.2.1 2001:db8::1 fe80::1 192.0.2.4"},
		{text, BufferSize, "192.0.2.1 2001:db8::1 fe80::1 192.0.2.4"}, {"192.0.2.1 other\n", 64, ""}, {"", 64, ""},
	} {
		write(t, &HostsPath, tt.text)
		var f HostsFile
		if e := f.Open("box", make([]byte, tt.size)); e != 0 {
			t.Fatal(e)
		}
		var got []string
		for f.Next() {
			ip := net.IP(f.Addr.IP[:])
			if f.Addr.Is4 {
				ip = ip[:4]
			}
			got = append(got, ip.String())
		}
		f.Close()
		if strings.Join(got, " ") != tt.want {
			t.Errorf("by %d bytes of %q: %v", tt.size, tt.text, got)
		}
	}
}

func TestReadConfig(t *testing.T) {
	var c stub.Config
	b := make([]byte, BufferSize)
	write(t, &ResolvPath, "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch example.org\noptions rotate")
	if e := ReadConfig(&c, b, "", "ndots:3"); e != 0 || c.NServers != 2 || c.Search[0] != "example.org" || c.Ndots != 3 {
		t.Errorf("%v: %+v", e, c)
	}
	write(t, &ResolvPath, "")
	if e := ReadConfig(&c, b, "example.com", ""); e != 0 || c.NServers != 1 || !c.Servers[0].Is4 || c.Servers[0].IP[0] != 127 || c.Search[0] != "example.com" {
		t.Errorf("without a file: %v: %+v", e, c)
	}
}

// TestFIFO reads files that nobody writes to: they are empty, and nothing waits.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, &HostsPath, "")
	write(t, &ResolvPath, "")
	HostsPath, ResolvPath = path+"\x00", path+"\x00"
	b := make([]byte, BufferSize)
	var f HostsFile
	if e := f.Open("box", b); e != 0 || f.Next() {
		t.Errorf("%v: %v", e, f.Addr)
	}
	f.Close()
	var c stub.Config
	if e := ReadConfig(&c, b, "", ""); e != 0 || c.NServers != 1 || c.NSearch != 0 {
		t.Errorf("%v: %+v", e, c)
	}
}

func TestScopeID(t *testing.T) {
	fd, e := Socket(&stub.Addr{}, unix.SOCK_DGRAM, 0)
	if e != 0 {
		t.Skip("no IPv6: ", e, " (sysctl net.ipv6.conf.all.disable_ipv6=0)")
	}
	defer Close(fd)
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for zone, want := range map[string]uint32{"": 0, "lo": uint32(lo.Index), "42": 42} {
		var a stub.Addr
		copy(a.Zone[:], zone)
		if got, e := scopeID(fd, &a.Zone); got != want || e != 0 {
			t.Errorf("%q: %d, %v, want %d", zone, got, e, want)
		}
	}
	if _, e := scopeID(fd, &[16]byte{'n', 'o', 'n', 'e'}); e != unix.ENODEV {
		t.Errorf("an interface that is not there: %v", e)
	}
}

func TestSource(t *testing.T) {
	for _, tt := range []struct {
		to, device string
		want       bool
	}{
		{"127.0.0.9", "", true}, {"127.0.0.9", "lo", true}, {"255.255.255.255", "", false},
	} {
		var to, from stub.Addr
		to.ParseAddr(tt.to)
		if got := Source(&to, &from, tt.device); got != tt.want || got && (!from.Is4 || from.IP[0] != 127) {
			t.Errorf("%v: %v from %v", tt, got, from)
		}
	}
}

// TestExchange asks two name servers, at the first of which nobody listens.
func TestExchange(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 54)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	old := DNSPort
	t.Cleanup(func() { DNSPort = old })
	DNSPort = uint16(c.LocalAddr().(*net.UDPAddr).Port)
	var config stub.Config
	config.Parse("nameserver 127.0.0.53\nnameserver 127.0.0.54", "", "", "")
	x := stub.Exchange{Config: &config, Health: &stub.Health{}}
	x.Init(x.Config, x.Health, "box", true, stub.TypeA, 0, Random(), 0)
	b := make([]byte, BufferSize)
	var asked []int
	for now := time.Duration(0); len(asked) < 2; now += time.Millisecond {
		p, ok := x.Send(now)
		if !ok {
			Receive(&x, 0, 0, b, now) // the ICMP error is there at once
			continue
		}
		asked = append(asked, p.Server)
		if e := Send(&x, p, now); e != 0 {
			t.Fatal(e)
		}
	}
	if !slices.Equal(asked, []int{0, 1}) || x.Blame(0, 0) != stub.PortClosed || x.FDs[0][0] != 0 {
		t.Errorf("asked %v, then %v: %v", asked, x.Blame(0, 0), x.FDs)
	}
	n, from, err := c.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	answer := append(b[:n:n], 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1)
	answer[2], answer[3], answer[7] = 0x81, 0x80, 1
	if _, err := c.WriteTo(answer, from); err != nil {
		t.Fatal(err)
	}
	m, kept, ok := Receive(&x, 0, 1, b, time.Second)
	if !ok || kept != 0 || len(m) != len(answer) || &x.Messages[0][1][0] != &m[0] {
		t.Errorf("received %x, %d, %v", m, kept, ok)
	}
	if _, kept, ok := Receive(&x, 0, 1, b, time.Second); ok || kept != -1 {
		t.Errorf("received one more: %d", kept)
	}
	Close(x.FDs[0][1])
}
