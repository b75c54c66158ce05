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
	"strings"
	"sync"
	"time"

	"fdrace/internal/lab"
	"fdrace/mptcp"
)

// patience is for one login, on a machine that has a hundred at once.
const patience = time.Minute

// reasonLines is how much of the first complaint of a cell is shown.
const reasonLines = 3

// runSSHD prints a row for each wanted cell: what sshd has seen of the logins.
func runSSHD(dir, fdrace string, cells []cell, wanted *regexp.Regexp) error {
	version, err := sshVersion()
	if err != nil {
		return err
	}
	noMPTCP := mptcp.Supported()
	if noMPTCP == nil {
		_, noMPTCP = exec.LookPath("mptcpize")
	}
	fmt.Printf("\n%s\n\n%-52s  %7s %7s %12s %9s\n", version, "addresses, RTT, flags, and what", "logins", "refused", "connections", "penalties")
	var missed, skipped int
	for i, c := range cells {
		row := c.String()
		if !wanted.MatchString(row) {
			continue
		}
		if c.mptcp() && noMPTCP != nil {
			skipped++
			continue
		}
		o, err := c.run(filepath.Join(dir, fmt.Sprint("cell", i)), fdrace)
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		target := c.missed(o)
		if target != "" {
			missed++
			target = "  missed: " + target
		}
		if c.how == busy {
			target = fmt.Sprintf("  %d accepted", o.accepted)
		}
		fmt.Printf("%-52s  %7d %7d %12d %9d%s\n", row, o.logins, o.refused, o.connections, o.penalties, target)
		if lines := strings.Split(o.reason, "\n"); o.reason != "" {
			fmt.Printf("    %s\n", strings.Join(lines[:min(len(lines), reasonLines)], "\n    "))
		}
	}
	if skipped > 0 {
		fmt.Printf("%d with --mptcp are left out: %v\n", skipped, noMPTCP)
	}
	if missed > 0 {
		return fmt.Errorf("%s: %d cells miss their target", version, missed)
	}
	return nil
}

func sshVersion() (string, error) {
	ssh, err := lab.FindSSH()
	if err != nil {
		return "", err
	}
	said, err := exec.Command(ssh, "-V").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ssh -V: %w", err)
	}
	version, _, _ := strings.Cut(string(said), ",")
	return version, nil
}

// A site is a laptop and, behind a wire or a cable, a host with one sshd.
type site struct {
	*lab.Network
	sshd *lab.SSHD
	dir  string // of keys, config and sshd.log
	ssh  string
}

// run makes a site for the cell alone, so that no penalty is older than it is.
func (c cell) run(dir, fdrace string) (o outcome, err error) {
	n, err := lab.NewNetwork(1)
	if err != nil {
		return o, err
	}
	s := &site{Network: n, dir: dir}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return o, err
	}
	if err := s.open(c, fdrace); err != nil {
		return o, err
	}
	probe, err := lab.ProbeStalls(s.Near)
	if err != nil {
		return o, err
	}
	start := time.Now()
	defer func() {
		o.stalled = probe.Worst(start)
		err = errors.Join(err, probe.Close())
	}()
	switch c.how {
	case inTurn:
		for range c.n {
			o.add(s.login(""))
		}
	case atOnce:
		s.together(c.n, &o)
	case busy:
		calm := burn()
		s.together(c.n, &o)
		calm()
	case explains, doctors:
		args := append(append([]string{"--explain"}, strings.Fields(c.flags)...), append(c.addrs, "22")...)
		if c.how == doctors {
			args = []string{"--doctor", "-F", s.path("config"), "box"}
		}
		for range c.n {
			out, said, err := s.exec(fdrace, args...)
			o.note(said+out, err)
		}
		o.add(s.login(""))
	}
	// Its log is complete when the sessions have ended, as they have to: all that
	// were clients are gone.
	if err := s.sshd.Close(); err != nil {
		return o, err
	}
	if err := s.sshd.Wait(); err != nil {
		o.hung = true
		o.reason = s.connections()
	}
	return o, o.count(s.path("sshd.log"))
}

// count reads what sshd says. A connection that it drops at once, for a penalty
// or as there are too many, has a line of its own. One that is reset just after
// sshd has accepted it is penalized, and is no "Connection from" any more: only
// LogLevel DEBUG tells how many of these there are.
func (o *outcome) count(log string) error {
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		dropped := strings.HasPrefix(line, "drop connection ")
		if dropped || strings.HasPrefix(line, "Connection from ") {
			o.connections++
		}
		if dropped || strings.HasPrefix(line, "debug1: Forked child ") {
			o.accepted++
		}
		if dropped || strings.Contains(line, "penalty") && !strings.Contains(line, "activating") {
			o.penalties++
			if o.reason == "" {
				o.reason = "sshd: " + strings.TrimSpace(line)
			}
		}
	}
	return nil
}

// add takes note of a login.
func (o *outcome) add(said string, err error) {
	o.logins++
	o.note(said, err)
}

// note takes note of an error and, if it is the first, of what was said.
func (o *outcome) note(said string, err error) {
	if err == nil {
		return
	}
	o.refused++
	if o.reason == "" {
		o.reason = strings.TrimSpace(said + err.Error())
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) open(c cell, fdrace string) (err error) {
	if s.ssh, err = lab.FindSSH(); err != nil {
		return err
	}
	if c.rtt == 0 {
		err = lab.Cable(s.Near, s.Far, "eth0", 1)
	} else {
		_, err = s.Link(lab.Link{Name: "eth0", RTT: c.rtt})
	}
	if err != nil {
		return err
	}
	// It answers that there is no name: --doctor asks for one.
	if _, err := s.ServeDNS(s.Near, netip.MustParseAddr("127.0.0.53")); err != nil {
		return err
	}
	var at []netip.AddrPort
	for _, a := range c.addrs {
		addr := netip.MustParseAddr(a)
		if err := s.Far.Address(addr); err != nil {
			return err
		}
		at = append(at, netip.AddrPortFrom(addr, 22))
	}
	var options []string
	if c.how == busy {
		options = []string{"LogLevel=DEBUG"} // see outcome.count
	}
	if s.sshd, err = lab.StartSSHDWith(s.Far, s.dir, c.mptcp(), options, at...); err != nil {
		return err
	}
	// IPQoS, as ssh would complain of IPV6_TCLASS over MPTCP.
	config := fmt.Sprintf(`Host box
HostName %s
ProxyCommand %s %s -- %%p %s
ProxyUseFdpass yes
IPQoS none
HostKeyAlias box
`, c.addrs[0], fdrace, c.flags, strings.Join(c.addrs, " ")) + lab.ClientConfig(s.dir)
	return os.WriteFile(s.path("config"), []byte(config), 0o644)
}

// exec runs a program on the laptop, and returns what it said on stdout and
// stderr.
func (s *site) exec(path string, args ...string) (out, errs string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "SHELL=/bin/sh") // by which ssh runs the ProxyCommand
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = s.Near.Do(cmd.Run)
	return stdout.String(), stderr.String(), err
}

// connections are those that the server still has.
func (s *site) connections() string {
	var out []byte
	err := s.Far.Do(func() (err error) {
		out, err = exec.Command("ss", "-HtanMpo").CombinedOutput()
		return err
	})
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

// login logs in once, and runs what the shell there is given after that.
func (s *site) login(then string) (said string, err error) {
	out, said, err := s.exec(s.ssh, "-F", s.path("config"), "box", "echo in"+then)
	if err == nil && out != "in\n" {
		err = fmt.Errorf("%q on stdout", out)
	}
	return said, err
}

// together logs in n times at once. Each session lasts until the listening sshd
// has had the time to see that it has logged in: OpenSSH 10.0 looks first for the
// children that have ended (child_reap), and with so many of them penalizes
// sessions that were quicker, also those of ssh without a ProxyCommand.
func (s *site) together(n int, o *outcome) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for range n {
		group.Go(func() {
			said, err := s.login("; sleep 1")
			mu.Lock()
			defer mu.Unlock()
			o.add(said, err)
		})
	}
	group.Wait()
}

// burners is how many threads want a processor while a busy cell runs.
const burners = 4

// burn keeps the machine busy until calm is called.
func burn() (calm func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range burners {
		group.Go(func() {
			for ctx.Err() == nil {
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
	}
}
