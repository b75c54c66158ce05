//go:build unix

package setup

import (
	"strings"
	"testing"

	"fdrace/internal/helper"
)

func TestBlock(t *testing.T) {
	for _, c := range []struct {
		block block
		want  string
	}{
		{block{alias: "box", hostKeyAlias: "box.lan", program: "fdrace", targets: []string{"box.lan", "[2001:db8::7]:2222", "fe80::1%eth0"}}, `# Add this to the top of ~/.ssh/config: ssh uses the first value that it finds.
Host box
    ProxyCommand fdrace --host-key %k -- box.lan '[2001:db8::7]:2222' fe80::1%%eth0 %p
    ProxyUseFdpass yes
    HostKeyAlias box.lan
`},
		{block{alias: "box", hostKeyAlias: "box", program: "/opt/my tools/fdrace", targets: []string{"192.0.2.1"}, port: "2222", mptcp: true, commands: []string{"ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow"}}, `# Add this to the top of ~/.ssh/config: ssh uses the first value that it finds.
Host box
    ProxyCommand '/opt/my tools/fdrace' --host-key %k --mptcp -- 192.0.2.1 %p
    ProxyUseFdpass yes
    HostKeyAlias box
    Port 2222
    IPQoS none
    ServerAliveInterval 15
    ServerAliveCountMax 20
# This machine has two networks. If the server speaks MPTCP, a session survives the
# loss of one: see fdrace-mptcp(7).
# For that, run as root:
#     ip mptcp endpoint add 192.0.2.9 dev wlan0 subflow
`},
	} {
		if got := c.block.String(); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestCheckLine(t *testing.T) {
	for line, want := range map[string]string{
		"box box.lan":            "",
		"box box.lan 2222":       "",
		"box unix:/run/box.sock": "",
		"":                       "write an ALIAS and at least one TARGET",
		"box":                    "write an ALIAS and at least one TARGET",
		"box 22":                 "a target is missing",
		"*.lan box.lan":          `"*.lan" cannot be an alias`,
		"-box box.lan":           `"-box" cannot be an alias`,
		"me@box box.lan":         `"me@box" cannot be an alias`,
		"box me@box.lan":         `"me@box.lan"`,
	} {
		err := CheckLine(helper.Options{Setup: true, Words: strings.Fields(line)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("--setup %s: %v; want %q", line, err, want)
		}
	}
	if err := CheckLine(helper.Options{Setup: true, Banner: true, Words: []string{"box", "box.lan"}}); err == nil {
		t.Error("--setup --banner is taken")
	}
}
