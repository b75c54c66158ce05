//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fdrace/mptcp"
)

// A server sees one connection of --doctor: also one that does not speak MPTCP.
func TestDoctorIsSeenOnce(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("needs ssh: run `apt-get install openssh-client`")
	}
	if err := mptcp.Supported(); err != nil {
		t.Skip("needs MPTCP: run `sysctl net.mptcp.enabled=1`: ", err)
	}
	program := build(t)
	for _, flags := range []string{"-v", "--mptcp", "--require-mptcp"} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel() // --doctor waits for a banner for 3 s
			var plain net.ListenConfig
			plain.SetMultipathTCP(false)
			l, err := plain.Listen(t.Context(), "tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			config := filepath.Join(t.TempDir(), "config")
			text := fmt.Sprintf("Host box\nHostName 127.0.0.1\nPort %s\nProxyUseFdpass yes\nProxyCommand fdrace %s -- %%h %%p\n", port, flags)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ := exec.Command(program, "--doctor", "-F", config, "box").CombinedOutput()
			seen := 0
			for ; ; seen++ { // which the kernel has completed by now
				l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Millisecond))
				c, err := l.Accept()
				if err != nil {
					break
				}
				c.Close()
			}
			if seen != 1 {
				t.Errorf("the server has seen %d connections\n%s", seen, out)
			}
		})
	}
}
