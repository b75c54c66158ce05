package engine

import (
	"net/netip"
	"os"
	"slices"

	"fdrace/internal/resolve"
	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// The files that say how names are looked up, or what they mean.

// Files that a test may replace.
var (
	hostsPath  = "/etc/hosts"
	resolvPath = "/etc/resolv.conf"
	gaiPath    = "/etc/gai.conf"
)

// fromHosts reports whether /etc/hosts, or the name itself, says all there is
// to know.
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
	var none error
	switch {
	case len(four)+len(six) > 0:
		none = resolve.NotFound(host, "/etc/hosts has it, but not in this family")
	case stub.IsOnion(host):
		none = resolve.NotFound(host, "a name of Tor, which DNS is not asked for (RFC 7686): it takes a proxy")
	default:
		return false
	}
	for i, q := range l.questions {
		a := answer{question: q, addrs: four}
		if q.kind == askAAAA {
			a.addrs = six
		}
		if len(a.addrs) == 0 {
			a.err = none
		}
		s.answers = append(s.answers, a)
		l.over[i] = true
	}
	return true
}

// scanHosts returns every address that /etc/hosts has for name, once each. A
// file that cannot be read has none.
func (s *names) scanHosts(name string) (addrs []netip.Addr) {
	fd := s.openFile(hostsPath)
	if fd < 0 {
		return nil
	}
	defer unix.Close(fd)
	buf := s.buffer()
	var h stub.Hosts
	h.Init(name)
	for end := false; !end; {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		b := buf[:max(n, 0)]
		if end = len(b) == 0; end {
			b = append(b, '\n')
		}
		for len(b) > 0 {
			n, found := h.Scan(b)
			if a := toNetip(&h.Addr); found && !slices.Contains(addrs, a) {
				addrs = append(addrs, a)
			}
			b = b[n:]
		}
	}
	return addrs
}

// buffer is where files and messages are read into. Its pages cost nothing
// before they are touched.
func (s *names) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	return s.buf
}

func (s *names) readConfig(k *kernel) {
	for _, x := range k.dialer.Asked {
		s.conf, s.health = x.Config, x.Health
		return
	}
	s.conf, s.health = &stub.Config{}, &stub.Health{}
	text := s.readFile(resolvPath)
	var host unix.Utsname
	_ = unix.Uname(&host) // no name, no domain
	s.conf.Parse(text, os.Getenv("LOCALDOMAIN"), os.Getenv("RES_OPTIONS"), unix.ByteSliceToString(host.Nodename[:]))
	if s.conf.Rotate {
		s.conf.RotateBy(int(random() % uint64(s.conf.NServers)))
	}
}

// readFile returns the beginning of a file, "" if it cannot be read. It goes
// around package os, which would set up a poller for it.
func (s *names) readFile(path string) string {
	fd := s.openFile(path)
	if fd < 0 {
		return ""
	}
	defer unix.Close(fd)
	buf, n := s.buffer(), 0
	for n < len(buf) {
		m, err := unix.Read(fd, buf[n:])
		if m <= 0 && err != unix.EINTR {
			break
		}
		n += max(m, 0)
	}
	return string(buf[:n])
}

// openFile opens a file to read, -1 if that fails. For want of a descriptor it is
// not as if there were no such file, which could lead to another machine.
func (s *names) openFile(path string) (fd int) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.EMFILE || err == unix.ENFILE {
		s.full = os.NewSyscallError("open "+path, err)
	}
	return fd
}
