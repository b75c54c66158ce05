//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"fdrace/internal/lab"
	"fdrace/mptcp"
)

// noLab is why this machine cannot have the hosts of the lab.
var noLab error

func TestMain(m *testing.M) {
	noLab = lab.Reexec()
	os.Exit(m.Run())
}

// inconclusive is a stall that makes a loser visible: the next attempt begins if
// there is no answer for as long (fdrace's --delay).
const inconclusive = 250 * time.Millisecond

// TestSSHD runs some cells of "make soak", with fewer logins: those in turn are
// still enough that an OpenSSH 10 refuses the last of them, if it is shown both
// losers of each.
func TestSSHD(t *testing.T) {
	if noLab != nil {
		t.Skip(noLab)
	}
	if _, err := lab.FindSSHD(); err != nil && lab.OpenSSH() == "" {
		t.Skip(err)
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun: run `modprobe tun`: ", err)
	}
	noMPTCP := mptcp.Supported()
	if noMPTCP == nil {
		_, noMPTCP = exec.LookPath("mptcpize")
	}
	dir := t.TempDir()
	fdrace, err := lab.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	subset := regexp.MustCompile(`both +2ms .*(in turn|at once)|IPv4 +2ms +--banner .*--explain`)
	for i, c := range matrix(20) {
		if !subset.MatchString(c.String()) {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			if c.how != atOnce { // which mostly sleep
				t.Parallel()
			}
			if c.mptcp() && noMPTCP != nil {
				t.Skip(noMPTCP, ": run `sysctl net.mptcp.enabled=1`, or `apt-get install mptcpize`")
			}
			// A busy machine may show sshd a loser. It does not do so each time, and
			// no login is ever refused.
			const tries = 5
			var stalls []time.Duration
			for try := 1; ; try++ {
				o, err := c.run(filepath.Join(dir, fmt.Sprint(i, ".", try)), fdrace)
				if err != nil {
					t.Fatal(err)
				}
				target := c.missed(o)
				if target == "" {
					return
				}
				stalls = append(stalls, o.stalled)
				if o.refused == 0 && try == tries && slices.Min(stalls) >= inconclusive {
					t.Skipf("%v: it has stalled for %v; missed: %s: %+v", errInconclusive, stalls, target, o)
				}
				if o.refused > 0 || try == tries {
					t.Fatalf("missed: %s: %+v; stalls: %v", target, o, stalls)
				}
				t.Logf("once more, as it missed %s: %+v", target, o)
			}
		})
	}
}
