//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"fdrace/internal/lab"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// A stage is where the helpers run: a host of the lab, with a name server and a
// hosts file of its own, or this machine where there is no lab.
type stage struct {
	host *lab.Host // nil for this machine
	wire *lab.Wire // of no link: it serves the name server
	dns  *lab.DNS
}

// Names of the stage: two of its name server, one of its hosts file.
const (
	fourName   = "four.example"
	dualName   = "dual.example"
	listedName = "listed.example"
)

// hostsLines is about the size of the larger block lists.
const hostsLines = 170_000

// listed returns a name of /etc/hosts.
func (s *stage) listed() string {
	if s.host == nil {
		return "localhost"
	}
	return listedName
}

const hosts = "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 " + listedName + "\n"

// largeHosts writes a block list with the stage's hosts in its middle.
func largeHosts(dir string) (path string, err error) {
	var b bytes.Buffer
	for i := range hostsLines {
		if i == hostsLines/2 {
			b.WriteString(hosts)
		}
		fmt.Fprintf(&b, "0.0.0.0 ad%d.tracker.example.net\n", i)
	}
	path = filepath.Join(dir, "hosts")
	return path, os.WriteFile(path, b.Bytes(), 0o644)
}

// withHosts calls f while file is mounted over /etc/hosts for the calling thread, which
// must be on the stage. If file is empty, it only calls f.
func withHosts(file string, f func() error) error {
	const path = "/etc/hosts"
	if file == "" {
		return f()
	}
	if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	err := f()
	return errors.Join(err, unix.Unmount(path, unix.MNT_DETACH))
}

func newStage() (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.host, err = lab.NewHost("bench"); err != nil {
		return s, err
	}
	if s.wire, err = lab.NewWire(1); err != nil {
		return s, err
	}
	at := netip.MustParseAddrPort("127.0.0.53:53")
	if s.dns, err = s.wire.ServeDNS(s.host, at); err != nil {
		return s, err
	}
	s.dns.Set(fourName, dnsmessage.TypeA, addresses("127.0.0.1"))
	s.dns.Set(dualName, dnsmessage.TypeA, addresses("127.0.0.1"))
	s.dns.Set(dualName, dnsmessage.TypeAAAA, addresses("::1"))
	if err := s.host.File("/etc/hosts", hosts); err != nil {
		return s, err
	}
	return s, s.host.File("/etc/resolv.conf", "nameserver "+at.Addr().String()+"\n")
}

// do calls f on a thread that is on the stage.
func (s *stage) do(f func() error) error {
	if s.host == nil {
		return f()
	}
	return s.host.Do(f)
}

func (s *stage) close() error {
	var err error
	if s.dns != nil {
		err = errors.Join(err, s.dns.Close())
	}
	if s.wire != nil {
		err = errors.Join(err, s.wire.Close())
	}
	if s.host != nil {
		err = errors.Join(err, s.host.Close())
	}
	return err
}
