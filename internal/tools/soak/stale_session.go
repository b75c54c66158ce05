//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fdrace/internal/lab"

	"golang.org/x/sys/unix"
)

// twoPaths is a laptop with two links to a server whose sshd speaks MPTCP. The
// first link, RTT 20 ms, has the default route; the second has an RTT of 50 ms.
type twoPaths struct {
	*lab.Network
	dir       string
	fdrace    string
	wifi, lte *lab.Link
}

// pathSettings are what the runs differ in.
type pathSettings struct {
	seed      uint64
	near, far []string // sysctls, NAME=VALUE
	backup    bool     // the second link carries data only when the first does not
}

const pathServer = "192.0.2.1"

// newTwoPaths makes the network. dir is an empty directory of its own.
func newTwoPaths(dir, fdrace string, s pathSettings) (n *twoPaths, err error) {
	net, err := lab.NewNetwork(s.seed)
	if err != nil {
		return nil, err
	}
	n = &twoPaths{Network: net, dir: dir, fdrace: fdrace}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if n.wifi, err = n.Link(lab.Link{Name: "wifi", RTT: 20 * time.Millisecond, Only: 4}); err != nil {
		return n, err
	}
	if n.lte, err = n.Link(lab.Link{Name: "lte", RTT: 50 * time.Millisecond, Only: 4}); err != nil {
		return n, err
	}
	lte := "mptcp endpoint add 10.0.2.1 dev lte subflow"
	if s.backup {
		lte += " backup"
	}
	err = errors.Join(
		setSysctls(n.Near, s.near), setSysctls(n.Far, s.far), // before the sockets that they are for
		n.Near.IP("mptcp limits set subflows 4 add_addr_accepted 2", "mptcp endpoint add 10.0.1.1 dev wifi subflow", lte),
		n.Far.Address(netip.MustParseAddr(pathServer)))
	if err != nil {
		return n, err
	}
	if _, err = lab.StartSSHD(n.Far, dir, true, netip.MustParseAddrPort(pathServer+":22")); err != nil {
		return n, err
	}
	return n, os.WriteFile(filepath.Join(dir, "config"), sessionConfig(dir, fdrace+" --require-mptcp -- %h %p"), 0o600)
}

// sessionConfig is an ssh_config for the keys that the lab's sshd has left in dir.
func sessionConfig(dir, command string) []byte {
	return []byte("ProxyCommand " + command + "\nProxyUseFdpass yes\nIPQoS none\n" + lab.ClientConfig(dir))
}

func setSysctls(h *lab.Host, settings []string) error {
	return h.Do(func() error {
		for _, setting := range settings {
			name, value, _ := strings.Cut(setting, "=")
			if err := os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// counter returns one of a host's MPTcpExt counters, as nstat(8) shows them.
func counter(h *lab.Host, name string) (value int, err error) {
	var text []byte
	err = h.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/netstat")
		return err
	})
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "MPTcpExt:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, known := range names {
			if known == name {
				return strconv.Atoi(fields[i])
			}
		}
	}
	return 0, fmt.Errorf("this kernel does not count %s", name)
}

// start runs ssh with a remote command and returns its ends: what is written to
// in comes out of out, at the other host. The data cross the network in one
// direction only. ssh itself is ended by close.
func (n *twoPaths) start(up bool) (in, out *os.File, err error) {
	fifo := filepath.Join(n.dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		return nil, nil, err
	}
	// Open for both, so that it neither waits for the other side nor ends with it.
	there, err := os.OpenFile(fifo, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, there.Close())
	}
	log, err := os.Create(filepath.Join(n.dir, "ssh.log"))
	if err != nil {
		return nil, nil, errors.Join(err, there.Close(), r.Close(), w.Close())
	}
	defer log.Close()
	cmd := exec.Command("ssh", "-F", filepath.Join(n.dir, "config"), pathServer, "cat <"+fifo)
	if up {
		cmd.Args[len(cmd.Args)-1] = "cat >" + fifo
	}
	cmd.Stderr = log
	var ours *os.File
	if up {
		cmd.Stdin, ours = r, w
		in, out = w, there
	} else {
		cmd.Stdout, ours = w, r
		in, out = there, r
	}
	_, err = n.Near.Start(cmd)
	if ours == w {
		r.Close()
	} else {
		w.Close()
	}
	if err != nil {
		return nil, nil, errors.Join(err, ours.Close(), there.Close())
	}
	// The second path is made when data have crossed the first.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		joined, err := counter(n.Far, "MPJoinAckRx")
		if err == nil && joined == 0 && time.Now().After(end) {
			said, _ := os.ReadFile(log.Name())
			err = fmt.Errorf("the session has one path only: %s", said)
		}
		if err != nil {
			return nil, nil, errors.Join(err, ours.Close(), there.Close())
		}
		if joined > 0 {
			return in, out, nil
		}
	}
}
