package prestart

import "net/netip"

// most is how many addresses a line may have.
const most = 8

// A line is a command line whose targets are addresses, no two alike.
type line struct {
	addrs [most]address
	n     int // of them
	port  uint16
	mptcp bool
}

// An address is that of a host: not of a group, and without a zone.
type address struct {
	bytes [16]byte // the first four of them, if four
	four  bool
}

// read reads what follows the name of the program. It returns false for
// whatever else a line can be, wrong ones included, and for some that are of
// this kind all the same: the runtime is there for all of them.
func (l *line) read(args []string) bool {
	var only4, only6 bool
flags:
	for len(args) > 0 && len(args[0]) > 0 && args[0][0] == '-' {
		flag := args[0]
		args = args[1:]
		switch flag {
		case "--":
			break flags
		case "-4", "--ipv4":
			only4 = true
		case "-6", "--ipv6":
			only6 = true
		case "--mptcp":
			l.mptcp = true
		default:
			return false
		}
	}
	l.port = 22
	if last := len(args) - 1; last > 0 && l.readPort(args[last]) {
		args = args[:last]
	} else if last > 0 && l.readPort(args[0]) {
		args = args[1:]
	}
	if len(args) > most {
		return false
	}
	for i := range args {
		a := &l.addrs[i]
		if !a.read(args[i]) || a.four && only6 || !a.four && only4 {
			return false
		}
		for j := range i {
			if l.addrs[j] == *a {
				return false
			}
		}
	}
	l.n = len(args)
	// Several attempts by MPTCP begin one by one (eagerGap of package race).
	return l.n == 1 || l.n > 1 && !l.mptcp
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

// read reads an address. A link-local one needs a zone, or is asked for on every
// link.
func (a *address) read(word string) bool {
	a.four = read4(&a.bytes, word)
	if a.four {
		return a.bytes[0] > 0 && a.bytes[0] < 224
	}
	a.bytes = [16]byte{}
	if !read6(&a.bytes, word) {
		return false
	}
	loopback := a.bytes == [16]byte{15: 1}
	return loopback || a.bytes[0] > 0 && a.bytes[0] < 0xfe
}

// netip is for the runtime to call.
func (a *address) netip() netip.Addr {
	if a.four {
		return netip.AddrFrom4([4]byte(a.bytes[:4]))
	}
	return netip.AddrFrom16(a.bytes)
}

func read4(addr *[16]byte, word string) bool {
	n, field := 0, 0 // of this field: its value and its digits
	dots := 0
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c == '.' && field > 0 && dots < 3:
			dots++
			n, field = 0, 0
			continue
		case c < '0' || c > '9' || field == 3 || field > 0 && n == 0:
			return false
		}
		n = n*10 + int(c-'0')
		field++
		if n > 255 {
			return false
		}
		addr[dots] = byte(n)
	}
	return dots == 3 && field > 0
}

// read6 reads hexadecimal groups. One of them may be "::", for two zero ones or
// more (of one it is allowed too, by RFC 4291).
func read6(addr *[16]byte, word string) bool {
	at, gap := 0, -1 // bytes read, and how many before the "::"
	n, field := 0, 0
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		case c == ':':
			double := i+1 < len(word) && word[i+1] == ':'
			switch {
			case field > 0 && i+1 < len(word) && at < 14:
				addr[at], addr[at+1] = byte(n>>8), byte(n)
				at += 2
			case i == 0 && double:
			default:
				return false
			}
			n, field = 0, 0
			if double {
				if gap >= 0 {
					return false
				}
				gap = at
				i++
			}
			continue
		default:
			return false
		}
		if field++; field > 4 {
			return false
		}
	}
	if field > 0 {
		addr[at], addr[at+1] = byte(n>>8), byte(n)
		at += 2
	}
	if gap < 0 {
		return at == 16
	}
	if at == 16 {
		return false
	}
	for tail := at - gap; tail > 0; tail-- { // what follows the "::" goes to the end
		addr[16-(at-gap)+tail-1] = addr[gap+tail-1]
	}
	for i := gap; i < 16-(at-gap); i++ {
		addr[i] = 0
	}
	return true
}
