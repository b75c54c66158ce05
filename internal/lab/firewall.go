//go:build linux

package lab

import (
	"fmt"
	"os/exec"
)

// Nft runs nft(8) commands in the host.
func (h *Host) Nft(commands string) error {
	if _, err := exec.LookPath("nft"); err != nil {
		return fmt.Errorf("%w: run `apt-get install nftables`", err)
	}
	return h.feed(commands, "nft", "-f", "-")
}

// Firewall adds a rule to the host's firewall: hook is nft's "input" or "output", and
// rule is such as "ip6 daddr 2001:db8::5 reject with icmpv6 port-unreachable" or
// "tcp dport 22 reject with tcp reset". A packet rejected on output makes connect(2)
// fail and does not reach a wire.
func (h *Host) Firewall(hook, rule string) error {
	return h.Nft(fmt.Sprintf(`
		add table inet lab
		add chain inet lab %[1]s { type filter hook %[1]s priority 0; }
		add rule inet lab %[1]s %[2]s
	`, hook, rule))
}

// ClearFirewall removes all its rules.
func (h *Host) ClearFirewall() error {
	return h.Nft("add table inet lab\ndelete table inet lab\n")
}
