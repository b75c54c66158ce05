//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"

	"fdrace/internal/lab"
)

const (
	lossLogins     = 1000
	lossLoginJobs  = 16
	lossLoginLimit = 2 * time.Minute // of a login, on a wire that loses every tenth packet
)

// runLossLogins logs in over a lossy wire again and again, and fails if sshd has
// seen more connections than logins.
func runLossLogins(dir, fdrace string, logins, jobs int) error {
	if logins == 0 {
		logins = lossLogins
	}
	if jobs == 0 {
		jobs = lossLoginJobs
	}
	var failed error
	fmt.Println()
	for i, flags := range []string{"", "--mptcp "} {
		work := filepath.Join(dir, fmt.Sprintf("logins%d", i))
		if err := os.Mkdir(work, 0o700); err != nil {
			return err
		}
		failed = errors.Join(failed, logInOverLoss(work, fdrace, flags, logins, jobs))
	}
	return failed
}

func logInOverLoss(dir, fdrace, flags string, logins, jobs int) (err error) {
	n, err := lab.NewNetwork(1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	link, err := n.Link(lab.Link{Name: "wifi", RTT: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := addRule(link, "loss 10%"); err != nil {
		return err
	}
	if err := n.Far.Address(netip.MustParseAddr(lossServer4)); err != nil {
		return err
	}
	sshd, err := lab.StartSSHD(n.Far, dir, flags != "", netip.MustParseAddrPort(lossServer4+":22"))
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, sessionConfig(dir, fdrace+" "+flags+"-- %h %p"), 0o600); err != nil {
		return err
	}
	var in atomic.Int64
	var said atomic.Value
	err = sideBySide(logins, jobs, func(int) error {
		ctx, cancel := context.WithTimeout(context.Background(), lossLoginLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, "ssh", "-nF", config, lossServer4, "true")
		return n.Near.Do(func() error {
			if out, err := cmd.CombinedOutput(); err != nil {
				said.Store(fmt.Sprintf("%v: %s", err, out))
			} else {
				in.Add(1)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if err := errors.Join(sshd.Close(), sshd.Wait()); err != nil {
		return err
	}
	log, err := os.ReadFile(filepath.Join(dir, "sshd.log"))
	if err != nil {
		return err
	}
	connections := bytes.Count(log, []byte("Connection from "))
	fmt.Printf("fdrace %s-- %%h %%p, 10 %% lost, RTT 20 ms: %d of %d logins, sshd counts %d connections\n", flags, in.Load(), logins, connections)
	if n := int(in.Load()); n < logins {
		err = fmt.Errorf("%d logins failed, the last: %v", logins-n, said.Load())
	}
	if connections > logins {
		odd := regexp.MustCompile(`(?m)^.*(kex_exchange|Connection closed|Connection reset).*$`).FindAll(log, 5)
		err = errors.Join(err, fmt.Errorf("%d connections that are no login: %s", connections-logins, bytes.Join(odd, []byte("\n"))))
	}
	return err
}
