package prestart

import "fdrace/internal/stub"

const (
	// maxTargets is how many targets a line may have.
	maxTargets = 8

	maxName = 253 // RFC 1035, without the root
)

// A line is a command line whose targets are addresses and names, no two alike.
type line struct {
	targets      [maxTargets]target
	n            int // of them
	port         uint16
	mptcp        bool
	only4, only6 bool

	looked, wantsPrefix bool // whether there is no route to IPv4; see nat64Patience
}

// A target is the address of a host, neither of a group nor with a zone, or the name
// of one.
type target struct {
	name string // empty if it is an address
	addr stub.Addr
}

// read reads what follows the name of the program. It returns false for
// whatever else a line can be, wrong ones included, and for some that are of
// this kind all the same: the runtime is there for all of them.
func (l *line) read(args []string) bool {
flags:
	for len(args) > 0 && len(args[0]) > 0 && args[0][0] == '-' {
		flag := args[0]
		args = args[1:]
		switch flag {
		case "--":
			break flags
		case "-4", "--ipv4":
			l.only4 = true
		case "-6", "--ipv6":
			l.only6 = true
		case "--mptcp":
			l.mptcp = true
		default:
			return false
		}
	}
	l.port = 22
	if len(args) > 1 && l.readPort(args[len(args)-1]) {
		args = cut(args, len(args)-1)
	} else if len(args) > 1 && l.readPort(args[0]) {
		args = args[1:]
	}
	if len(args) > maxTargets || l.only4 && l.only6 {
		return false
	}
	for i := range l.targets {
		if i >= len(args) {
			break
		}
		t := &l.targets[i]
		if !t.read(args[i]) || t.name == "" && (t.addr.Is4 && l.only6 || !t.addr.Is4 && l.only4) {
			return false
		}
		for j := range l.targets {
			if j == i {
				break
			}
			if u := &l.targets[j]; u.name == t.name && u.addr.Is4 == t.addr.Is4 && u.addr.IP == t.addr.IP {
				return false
			}
		}
		l.n = i + 1
	}
	// Several attempts by MPTCP begin one by one (eagerGap of package engine).
	return l.n == 1 || l.n > 1 && !l.mptcp
}

// cut returns the first n words, without a check of the compiler's.
func cut(words []string, n int) []string {
	if uint(n) > uint(len(words)) {
		return nil
	}
	return words[:n]
}

func (l *line) readPort(word string) bool {
	n := 0
	for i := 0; i < len(word); i++ {
		c := word[i]
		if c < '0' || c > '9' || i == 5 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	if n == 0 || n >= 1<<16 {
		return false
	}
	l.port = uint16(n)
	return true
}

// read reads an address or a name. A link-local address needs a zone, or is asked for
// on every link.
func (t *target) read(word string) bool {
	t.addr = stub.Addr{}
	if t.addr.Is4 = stub.Parse4(&t.addr.IP, word); t.addr.Is4 {
		return t.addr.IP[0] > 0 && t.addr.IP[0] < 224
	}
	if stub.Parse6(&t.addr.IP, word) {
		loopback := t.addr.IP == [16]byte{15: 1}
		return loopback || t.addr.IP[0] > 0 && t.addr.IP[0] < 0xfe
	}
	t.addr, t.name = stub.Addr{}, word
	return isName(word)
}

// isName reports whether word is a name that may be in /etc/hosts or in DNS, and can
// be nothing else: a port, a service (_ssh._tcp.example.org), a MAC address, or a name
// of Multicast DNS or of Tor.
func isName(word string) bool {
	digits, dashes := 0, 0
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.':
		case c >= '0' && c <= '9':
			digits++
		case (c == '-' || c == '_') && i > 0:
			dashes++
		default:
			return false
		}
	}
	mac := len(word) == 17 && dashes == 5
	return digits < len(word) && len(word) <= maxName && !mac && !stub.IsLocal(word) && !stub.IsOnion(word)
}
