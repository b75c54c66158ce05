//go:build unix

package doctor

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"

	"golang.org/x/sys/unix"
)

// The spelling of a name is in question only if no target has another problem.
func TestLostName(t *testing.T) {
	box, vpn := engine.Target{Host: "box", Port: 22}, engine.Target{Host: "vpn", Port: 22}
	missing := func(to engine.Target) engine.Failure {
		return engine.Failure{Candidate: engine.Candidate{Target: to}, Err: resolve.NotFound(to.Host, resolve.NoSuchHost)}
	}
	onlyIPv4 := missing(box)
	onlyIPv4.Err = resolve.NotFound("box", "it has no IPv6 address in DNS")
	local := missing(engine.Target{Host: "box.local", Port: 22})
	local.Err = resolve.NotFound("box.local", "multicast DNS: no answer on eth0")
	silent := engine.Failure{Candidate: engine.Candidate{Target: vpn}, Family: engine.IPv6, Err: context.DeadlineExceeded}
	for _, tt := range []struct {
		name     string
		failures []engine.Failure
		family   engine.Family
		remedy   string
	}{
		{"no name exists", []engine.Failure{missing(box), missing(vpn)}, 0, "check the spelling of box; if it is right, add the address to the block: HostName ADDRESS"},
		{"one is not found, the other has no answer", []engine.Failure{missing(box), silent}, 0, "is the machine on, and does every firewall let port 22 through?"},
		{"it has no address", []engine.Failure{onlyIPv4}, 0, "add the address to the block: HostName ADDRESS"},
		{"it has no address of the family", []engine.Failure{onlyIPv4}, engine.IPv6, "leave out -6 in the ProxyCommand"},
		{"a name on the link", []engine.Failure{local}, 0, "is box.local on, and on a link of this machine? if so, write the address in its place in the ProxyCommand"},
	} {
		l := &login{host: "box", config: sshConfig{"hostname": "box"}}
		f := l.lost(&engine.Error{Failures: tt.failures}, []engine.Target{box, vpn}, &engine.Dialer{Timeout: engine.DefaultTimeout, Family: tt.family})
		spelling := strings.HasSuffix(f.Found, "the name does not exist in DNS or /etc/hosts")
		if f.Remedy != tt.remedy || spelling != strings.HasPrefix(tt.remedy, "check the spelling") {
			t.Errorf("%s: %q: %q", tt.name, f.Found, f.Remedy)
		}
	}
}

// A socket of a machine has no port and no firewall.
func TestLostSocket(t *testing.T) {
	for word, want := range map[string]string{
		"unix:/run/box": "is that machine running, and does its sshd listen on this socket?",
		"vsock:3":       "is that machine running, and does its sshd listen on this socket?",
		"machine/box":   `is that machine running? "machinectl" lists those that are`,
		"192.0.2.5":     "is the machine on, and does every firewall let port 22 through?",
	} {
		target, err := engine.ParseTarget(word, 22)
		if err != nil {
			t.Fatal(err)
		}
		failure := engine.Failure{Candidate: engine.Candidate{Target: target}, Err: unix.ECONNREFUSED}
		if f := (&login{}).lost(&engine.Error{Failures: []engine.Failure{failure}}, []engine.Target{target}, &engine.Dialer{}); f.Remedy != want || f.Where != ByHand {
			t.Errorf("%s: %+v", word, f)
		}
	}
}

func TestRefusedPort(t *testing.T) {
	failure := func(addr string, err error) engine.Failure {
		return engine.Failure{Candidate: engine.Candidate{Addr: engine.Addr{AddrPort: netip.MustParseAddrPort(addr)}}, Err: err}
	}
	proxy := failure("192.0.2.9:1080", unix.ECONNREFUSED)
	proxy.Addr.Proxy = &engine.Proxy{}
	silent := failure("192.0.2.6:2201", context.DeadlineExceeded)
	refused, other := failure("192.0.2.5:22", unix.ECONNREFUSED), failure("192.0.2.5:2222", unix.ECONNREFUSED)
	socket := engine.Failure{Candidate: engine.Candidate{Addr: engine.Addr{Socket: resolve.Socket{Path: "/run/box"}}}, Err: unix.ECONNREFUSED}
	for _, tt := range []struct {
		failures []engine.Failure
		want     uint16
	}{
		{[]engine.Failure{silent, proxy, socket}, 0},
		{[]engine.Failure{silent, refused}, 22},
		{[]engine.Failure{refused, other}, 2222},
		{[]engine.Failure{other, refused}, 2222},
	} {
		if got := refusedPort(&engine.Error{Failures: tt.failures}); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.failures, got, tt.want)
		}
	}
}
