//go:build unix

package doctor

import (
	"context"
	"strings"
	"testing"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
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
