//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitVerbs are those of the stories of hosts that are not there yet.
//
//	ready                   the host is, from now on
//	intime HOST             after "wait" for an ssh that has run "date +%s%N": it has
//	                        logged in within a second of that, beyond what a login to
//	                        HOST takes now
//	sleeper MAC ADDR:PORT   the far host has an sshd at ADDR:PORT from the first magic
//	                        packet for MAC on
//	wakes                   prints how many of those have come, by IPv4 and by IPv6
func waitVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	for name, do := range map[string]func(*state, *testscript.TestScript, []string) error{
		"ready": (*state).isReady, "intime": (*state).inTime, "sleeper": (*state).sleeper, "wakes": (*state).wakes,
	} {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! %s means nothing", name)
			}
			ts.Check(do(ts.Value(stateKey{}).(*state), ts, args))
		}
	}
	return cmds
}

func (s *state) isReady(*testscript.TestScript, []string) error {
	s.ready = time.Now()
	return nil
}

func (s *state) inTime(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: intime HOST")
	}
	in, err := strconv.ParseInt(strings.TrimSpace(ts.ReadFile("stdout")), 10, 64)
	if err != nil {
		return err
	}
	took := time.Unix(0, in).Sub(s.ready)
	began := time.Now()
	if err := ts.Exec("ssh", "-F", "config", args[0], "true"); err != nil {
		return err
	}
	login := time.Since(began)
	ts.Logf("logged in %v after it was ready; a login takes %v", took, login)
	lab.Timed(ts, s.ready)
	// A busy machine makes one login longer than the next.
	if took < 0 || took > time.Second+3*login {
		return fmt.Errorf("logged in %v after it was ready", took)
	}
	return nil
}

// A sleeper waits for magic packets.
type sleeper struct {
	mac   net.HardwareAddr
	conns []*net.UDPConn
	wake  func() error
	group sync.WaitGroup
	mu    sync.Mutex
	count map[string]int
	err   error
}

func (s *state) sleeper(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: sleeper MAC ADDR:PORT")
	}
	mac, err := net.ParseMAC(args[0])
	if err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	far := lab.FarHost(ts)
	d := &sleeper{mac: mac, count: map[string]int{}, wake: func() error {
		sshd, err := lab.StartSSHD(far, s.env.WorkDir, false, at)
		if err == nil {
			s.others = append(s.others, sshd)
		}
		return err
	}}
	s.asleep = d
	s.others = append(s.others, d)
	return far.Do(func() error {
		for _, network := range []string{"udp4", "udp6"} {
			c, err := net.ListenUDP(network, &net.UDPAddr{Port: 9})
			if err != nil {
				return err
			}
			d.conns = append(d.conns, c)
			d.group.Go(func() { d.serve(network, c) })
		}
		return nil
	})
}

func (d *sleeper) serve(network string, c *net.UDPConn) {
	magic := append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(d.mac, 16)...)
	for buf := make([]byte, 1500); ; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if !bytes.Equal(buf[:n], magic) {
			continue
		}
		d.mu.Lock()
		d.count[network]++
		if d.count["udp4"]+d.count["udp6"] == 1 {
			d.err = d.wake()
		}
		d.mu.Unlock()
	}
}

func (d *sleeper) Close() (err error) {
	for _, c := range d.conns {
		err = errors.Join(err, c.Close())
	}
	d.group.Wait()
	return errors.Join(err, d.err)
}

func (s *state) wakes(ts *testscript.TestScript, _ []string) error {
	if s.asleep == nil {
		return errors.New("nobody sleeps")
	}
	s.asleep.mu.Lock()
	defer s.asleep.mu.Unlock()
	_, err := fmt.Fprintf(ts.Stdout(), "IPv4 %d\nIPv6 %d\n", s.asleep.count["udp4"], s.asleep.count["udp6"])
	return err
}
