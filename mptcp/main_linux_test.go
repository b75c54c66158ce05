package mptcp

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// remedy is for a machine on which Supported gives an error.
const remedy = "sysctl net.mptcp.enabled=1, on a kernel with CONFIG_MPTCP"

// An example cannot skip itself.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := Supported(); err != nil {
		fmt.Fprintf(os.Stderr, "no examples: %v; remedy: %s\n", err, remedy)
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// listenAt listens at addr of loopback, with MPTCP or without. It is closed with the
// test.
func listenAt(t *testing.T, network, addr string, multipath bool) net.Listener {
	t.Helper()
	if err := Supported(); err != nil {
		t.Skipf("%v; remedy: %s", err, remedy)
	}
	var config net.ListenConfig
	config.SetMultipathTCP(multipath)
	l, err := config.Listen(context.Background(), network, addr)
	if err != nil {
		t.Skipf("%v; remedy: ip link set lo up, sysctl net.ipv6.conf.lo.disable_ipv6=0", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// ownNetwork runs the test that calls it once more, by unshare(1) in a network
// of its own, which has 192.0.2.1, 192.0.2.2, 2001:db8::1 and 2001:db8::2, and
// says whether this is that run.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	const inside = "FDRACE_MPTCP_INSIDE"
	if os.Getenv(inside) != "" {
		if err := Supported(); err != nil {
			t.Fatal(err) // a new network has it on, whatever the old one has
		}
		ip(t, "link set lo up",
			"address add 192.0.2.1/24 dev lo", "address add 192.0.2.2/24 dev lo",
			"address add 2001:db8::1/64 dev lo nodad", "address add 2001:db8::2/64 dev lo nodad")
		return true
	}
	if err := exec.Command("ip", "mptcp", "limits").Run(); err != nil {
		t.Skipf("ip mptcp: %v; remedy: apt-get install iproute2, 5.11 or later, on a kernel with CONFIG_MPTCP", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	how := []string{"--net"}
	if os.Geteuid() != 0 {
		how = append(how, "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(how, "true")...).CombinedOutput(); err != nil {
		t.Skipf("unshare: %v: %s; remedy: run as root, or set what exists of `sysctl kernel.unprivileged_userns_clone=1`, "+
			"`sysctl kernel.apparmor_restrict_unprivileged_userns=0` and `sysctl user.max_user_namespaces=1000`", err, out)
	}
	cmd := exec.Command("unshare", append(how, self, "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.timeout=1m")...)
	cmd.Env = append(os.Environ(), inside+"=1", "GORACE=atexit_sleep_ms=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// ip runs lines of ip(8) commands, each without the word "ip".
func ip(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, bytes.TrimSpace(out))
		}
	}
}

// noLeak fails the test if it leaves a descriptor open.
func noLeak(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe() // brings the runtime's own
	if err := errors.Join(err, r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := count()
	t.Cleanup(func() {
		if now := count(); now != before {
			t.Errorf("%d descriptors are open, and were %d", now, before)
		}
	})
}
