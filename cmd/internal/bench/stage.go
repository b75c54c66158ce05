//go:build linux

package main

import (
	"errors"
	"net/netip"

	"fdrace/cmd/internal/lab"

	"golang.org/x/net/dns/dnsmessage"
)

// A stage is where the helpers run: a host of the lab, whose name server has an
// address for name, or this machine where there is no lab.
type stage struct {
	host *lab.Host // nil for this machine
	wire *lab.Wire // of no link: it serves the name server
	dns  *lab.DNS
}

// name is one that only the stage's name server knows.
const name = "box.example"

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
	s.dns.Set(name, dnsmessage.TypeA, addresses("127.0.0.1"))
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
