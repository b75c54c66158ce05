package paths

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"fdrace/internal/lab"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// noHosts is why this machine can have none.
var noHosts error

func TestMain(m *testing.M) {
	noHosts = lab.Reexec()
	os.Exit(m.Run())
}

// A laptop of which everything is as it should not be is asked.
func TestListOfAHost(t *testing.T) {
	if noHosts != nil {
		t.Skip(noHosts)
	}
	if err := exec.Command("ip", "mptcp", "limits").Run(); err != nil {
		t.Skipf("ip mptcp: %v; remedy: apt-get install iproute2, 5.11 or later, on a kernel with CONFIG_MPTCP", err)
	}
	h, err := lab.NewHost("laptop")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var lines []string
	for _, name := range []string{"wlan0", "eth0", "down0", "dark0", "tun0"} {
		lines = append(lines, "link add "+name+" type veth peer name "+name+"x", "link set "+name+" addrgenmode none")
		if name != "down0" {
			lines = append(lines, "link set "+name+" up")
		}
		if name != "dark0" {
			lines = append(lines, "link set "+name+"x up")
		}
	}
	err = h.IP(append(lines,
		"address add 192.0.2.9/24 dev wlan0",
		"address add 192.0.2.10/24 dev wlan0",                        // secondary, which is no fault
		"address add 2001:db8::8/64 dev wlan0 nodad preferred_lft 0", // deprecated
		"address add 2001:db8::9/64 dev wlan0 nodad",
		"address add 2001:db8::a/64 dev wlan0 nodad preferred_lft 0",
		"address add 198.51.100.9/24 dev eth0",
		"address add 203.0.113.9/24 dev down0",
		"address add 203.0.113.10/24 dev dark0",
		"address add 10.0.0.1 peer 10.0.0.2 dev tun0",
		"route add default nexthop via 192.0.2.1 dev wlan0 nexthop via 198.51.100.1 dev eth0",
		"route add default via 2001:db8::1 dev wlan0",
		"route add 172.16.0.0/12 dev tun0",
		"route add unreachable default metric 4278198272",
		"mptcp endpoint add 192.0.2.10 dev wlan0 subflow",
		"mptcp endpoint add 198.51.100.9 subflow backup")...)
	if err != nil {
		t.Fatal(err)
	}
	var all []Path
	var limits mptcp.Limits
	if err := h.Do(func() (err error) {
		if all, err = List(); err == nil {
			limits, err = mptcp.ReadLimits()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range all {
		got = append(got, p.String())
	}
	want := []string{
		"wlan0 (192.0.2.10): endpoint",
		"wlan0 (2001:db8::9): no endpoint",
		"eth0 (198.51.100.9): endpoint, backup, not bound to eth0",
		"tun0 (10.0.0.1): no endpoint, no default route",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c := LimitsCommand(limits, all); c != "" {
		t.Errorf("%+v: %s", limits, c)
	}
}

// FuzzTake reads what it is given as addresses and as routes.
func FuzzTake(f *testing.F) {
	for _, kind := range []int{unix.RTM_GETADDR, unix.RTM_GETROUTE} {
		b, err := syscall.NetlinkRIB(kind, unix.AF_UNSPEC)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x30\x00\x00\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // a route
		"\x02\x00\x00\x00\xfe\x03\x00\x01\x00\x00\x00\x00" + // to everywhere
		"\x0c\x00\x09\x00\x08\x00\x00\x00\x01\x00\x00\x00" + // by a hop on interface 1
		"\x08\x00\x04\x00\x01\x00\x00\x00"))
	f.Add([]byte("\x1d\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // an address
		"\x02\x18\x00\x00\x01\x00\x00\x00" + "\x05\x00\x01\x00\x0a\x00\x00\x00")) // of one byte
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, err := syscall.ParseNetlinkMessage(b)
		if err != nil {
			return
		}
		links := []link{{name: "lo", index: 1}}
		for i := range messages {
			takeAddress(&messages[i], links)
			takeRoute(&messages[i], links)
		}
		for _, p := range list(links, nil) {
			if !p.Addr.IsGlobalUnicast() || !slices.Contains(p.Addrs, p.Addr) {
				t.Errorf("%+v", p)
			}
		}
	})
}
