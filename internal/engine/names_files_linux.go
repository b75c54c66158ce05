package engine

import (
	"net/netip"
	"os"
	"slices"
	"syscall"

	"fdrace/internal/rawsys"
	"fdrace/internal/resolve"
	"fdrace/internal/stub"
)

// fromHosts reports whether it has answered l without a name server: by /etc/hosts, or by
// the name itself.
func (s *names) fromHosts(k *kernel, l *lookup) bool {
	host := l.questions[0].host
	var four, six []netip.Addr
	if stub.IsLocalhost(host) { // RFC 6761 section 6.3
		six, four = []netip.Addr{netip.IPv6Loopback()}, []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	inFile := s.scanHosts(host)
	if s.full != nil {
		return false
	}
	if len(inFile) > 0 {
		four, six = nil, nil
		for _, a := range inFile {
			if a.Is4() {
				four = append(four, a)
			} else {
				six = append(six, a)
			}
		}
	}
	onion := stub.IsOnion(host)
	if len(four)+len(six) == 0 && !onion {
		return false
	}
	for i, q := range l.questions {
		a := answer{question: q, addrs: four}
		if q.kind == askAAAA {
			a.addrs = six
		}
		if len(a.addrs) == 0 {
			a.err = resolve.NotFound(host, "it has no "+q.kind.family().String()+" address in /etc/hosts")
			if onion {
				a.err = resolve.NotFound(host, "a name of Tor, which DNS is not asked for (RFC 7686): it takes --proxy")
			}
		}
		s.answers = append(s.answers, a)
		l.over[i] = true
	}
	return true
}

// scanHosts returns every address that /etc/hosts has for name, once each. A
// file that cannot be read has none.
func (s *names) scanHosts(name string) (addrs []netip.Addr) {
	var f rawsys.HostsFile
	s.check(f.Open(name, s.buffer()))
	defer f.Close()
	for f.Next() {
		if a := toNetip(&f.Addr); !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// buffer returns the memory that files and messages are read into. It may be large: the
// kernel does not allocate pages that are not used.
func (s *names) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, rawsys.BufferSize)
	}
	return s.buf
}

func (s *names) readConfig(k *kernel) {
	for _, x := range k.started.Lookups {
		s.conf, s.health = x.Config, x.Health
		return
	}
	s.conf, s.health = &stub.Config{}, &stub.Health{}
	s.check(rawsys.ReadConfig(s.conf, s.buffer(), os.Getenv("LOCALDOMAIN"), os.Getenv("RES_OPTIONS")))
	s.buf = nil // conf points into it
}

// check records if no descriptor was left. A file that could not be read for that reason
// must not be treated as absent: that could lead to another machine.
func (s *names) check(e syscall.Errno) {
	if rawsys.NoDescriptor(e) {
		s.full = os.NewSyscallError("socket", e)
	}
}
