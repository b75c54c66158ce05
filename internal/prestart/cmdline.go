package prestart

import "fdrace/internal/stub"

const (
	maxTargets = 8
	maxArgs    = maxTargets + 6 // a few flags and a port

	maxName = 253 // RFC 1035, without the root
)

// A commandLine is a command line whose targets are addresses and names, no two alike.
type commandLine struct {
	targets      [maxTargets]target
	n            int // of them
	port         uint16
	mptcp        bool
	only4, only6 bool
}

// A target is the address of a host, neither multicast nor with a zone, or the name of
// one.
type target struct {
	name string // empty if it is an address
	addr stub.Addr
}

// parse reads the arguments. It returns false for all other command lines, wrong ones
// included, and for some of this kind: the runtime can do all of them.
func (c *commandLine) parse(args []string) bool {
flags:
	for len(args) > 0 && len(args[0]) > 0 && args[0][0] == '-' {
		flag := args[0]
		args = args[1:]
		switch flag {
		case "--":
			break flags
		case "-4", "--ipv4":
			c.only4 = true
		case "-6", "--ipv6":
			c.only6 = true
		case "--mptcp":
			c.mptcp = true
		default:
			return false
		}
	}
	c.port = 22
	if len(args) > 1 && c.parsePort(args[len(args)-1]) {
		args = firstArgs(args, len(args)-1)
	} else if len(args) > 1 && c.parsePort(args[0]) {
		args = args[1:]
	}
	if len(args) > maxTargets || c.only4 && c.only6 {
		return false
	}
	for i := range c.targets {
		if i >= len(args) {
			break
		}
		t := &c.targets[i]
		if !t.parse(args[i]) || t.name == "" && (t.addr.Is4 && c.only6 || !t.addr.Is4 && c.only4) {
			return false
		}
		for j := range c.targets {
			if j == i {
				break
			}
			if u := &c.targets[j]; u.name == t.name && u.addr == t.addr {
				return false
			}
		}
		c.n = i + 1
	}
	// MPTCP attempts start one after another (eagerGap of package engine).
	return c.n == 1 || c.n > 1 && !c.mptcp
}

// firstArgs returns args[:n], without a bounds check.
func firstArgs(args []string, n int) []string {
	if uint(n) > uint(len(args)) {
		return nil
	}
	return args[:n]
}

func (c *commandLine) parsePort(arg string) bool {
	n := 0
	for i := 0; i < len(arg); i++ {
		d := arg[i]
		if d < '0' || d > '9' || i == 5 {
			return false
		}
		n = n*10 + int(d-'0')
	}
	if n == 0 || n >= 1<<16 {
		return false
	}
	c.port = uint16(n)
	return true
}

// parse reads an address or a name. A link-local address needs a zone, or is tried on
// every link: it is left to the runtime.
func (t *target) parse(arg string) bool {
	t.addr = stub.Addr{}
	if t.addr.Is4 = stub.Parse4(&t.addr.IP, arg); t.addr.Is4 {
		return t.addr.IP[0] > 0 && t.addr.IP[0] < 224
	}
	if stub.Parse6(&t.addr.IP, arg) {
		loopback := t.addr.IP == [16]byte{15: 1}
		return loopback || t.addr.IP[0] > 0 && t.addr.IP[0] < 0xfe
	}
	t.addr, t.name = stub.Addr{}, arg
	return isName(arg)
}

// isName reports whether arg is a name that may be in /etc/hosts or in DNS, and nothing
// else: a port, a service (_ssh._tcp.example.org), a MAC address, or a name of
// Multicast DNS or of Tor.
func isName(arg string) bool {
	digits, dashes := 0, 0 // with dots: 127.1 is no name, but a wrong address
	for i := 0; i < len(arg); i++ {
		switch c := arg[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		case c >= '0' && c <= '9' || c == '.':
			digits++
		case (c == '-' || c == '_') && i > 0:
			dashes++
		default:
			return false
		}
	}
	mac := len(arg) == 17 && dashes == 5
	return digits < len(arg) && len(arg) <= maxName && !mac && !stub.IsLocal(arg) && !stub.IsOnion(arg)
}
