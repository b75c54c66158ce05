// Package stub is a DNS stub resolver without sockets. It reads hosts(5) and
// resolv.conf(5), writes questions, judges answers, and decides what to ask next,
// which name server, and when.
//
// Its functions are pure: the caller passes in the bytes of files and messages and the
// time, and sends what the package says. So every rule can be tested at an exact time.
// Except where noted, nothing here allocates, starts a goroutine or needs package
// initialization: a [Lookup] has a fixed size, and results point into what was passed in.
// Times are since any moment that the caller chooses.
//
// It differs from glibc's resolver in that it avoids waiting for silent name
// servers, and in one rule of the search list, which [Lookup] explains.
package stub

import "time"

// ResolutionDelay is how long IPv4 addresses wait for the answer to the AAAA question
// that was asked with theirs (RFC 8305 section 3). This package does not use it: it is for
// callers that connect.
const ResolutionDelay = 50 * time.Millisecond

// An Addr is an IP address. It is not a netip.Addr because that allocates memory for zones.
type Addr struct {
	IP   [16]byte // an IPv4 address is in the first four bytes
	Is4  bool
	Zone [16]byte // an interface's name or index, NUL-terminated; IPv6 only
}

// ZoneString returns the zone. It allocates.
func (a *Addr) ZoneString() string {
	for i, c := range a.Zone {
		if c == 0 {
			return string(a.Zone[:i])
		}
	}
	return string(a.Zone[:])
}

// ParseAddr reads an IPv4 address in dotted decimal or an IPv6 address, which
// may have a zone ("fe80::1%eth0") of up to 15 bytes. An IPv4-mapped IPv6 address
// becomes IPv4.
func (a *Addr) ParseAddr(s string) bool {
	*a = Addr{}
	if a.Is4 = Parse4(&a.IP, s); a.Is4 {
		return true
	}
	at := 0
	for at < len(s) && s[at] != '%' {
		at++
	}
	if !Parse6(&a.IP, cut(s, 0, at)) {
		return false
	}
	if at < len(s) {
		zone := cut(s, at+1, len(s))
		if len(zone) == 0 || len(zone) >= len(a.Zone) {
			return false
		}
		for i := 0; i < len(zone); i++ {
			a.Zone[i] = zone[i]
		}
	}
	a.unmap()
	return true
}

// unmap turns ::ffff:192.0.2.1 into 192.0.2.1.
func (a *Addr) unmap() {
	if !a.isMapped() {
		return
	}
	for i := range 4 {
		a.IP[i] = a.IP[12+i]
	}
	for i := 4; i < len(a.IP); i++ {
		a.IP[i] = 0
	}
	a.Is4 = true
	a.Zone = [16]byte{}
}

func (a *Addr) isMapped() bool {
	for i := range 10 {
		if a.IP[i] != 0 {
			return false
		}
	}
	return !a.Is4 && a.IP[10] == 0xff && a.IP[11] == 0xff
}

func (a *Addr) isLoopback() bool {
	if a.Is4 {
		return a.IP[0] == 127
	}
	return a.IP == [16]byte{15: 1}
}

// CanBeHost reports whether a can be the address of a host: it is not unspecified (block
// lists answer with 0.0.0.0 and ::), in 0.0.0.0/8, multicast or broadcast. The same goes
// for the IPv4 address inside an address of 64:ff9b::/96 (RFC 6052 section 2.1), as a name
// server with DNS64 also translates the addresses of block lists.
func (a *Addr) CanBeHost() bool {
	if a.Is4 {
		return canBeHost4(a.IP[0], a.IP[1], a.IP[2], a.IP[3])
	}
	if a.IP[0] == 0 && a.IP[1] == 0x64 && a.IP[2] == 0xff && a.IP[3] == 0x9b {
		var rest byte
		for _, b := range a.IP[4:12] {
			rest |= b
		}
		return rest != 0 || canBeHost4(a.IP[12], a.IP[13], a.IP[14], a.IP[15])
	}
	return a.IP != [16]byte{} && a.IP[0] != 0xff
}

func canBeHost4(a, b, c, d byte) bool {
	multicast := a&0xf0 == 224
	broadcast := a&b&c&d == 255
	return a != 0 && !multicast && !broadcast // 0/8 is "this network" (RFC 1122)
}

// Parse4 reads four decimal numbers into the first four bytes of addr, as
// netip.ParseAddr does. It may write to addr when it reports false.
func Parse4(addr *[16]byte, s string) bool {
	n, digits := 0, 0 // of this number
	dots := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.' && digits > 0 && dots < 3:
			dots++
			n, digits = 0, 0
			continue
		case c < '0' || c > '9' || digits == 3 || digits > 0 && n == 0:
			return false
		}
		n = n*10 + int(c-'0')
		digits++
		if n > 255 {
			return false
		}
		addr[dots&3] = byte(n)
	}
	return dots == 3 && digits > 0
}

// Parse6 reads an IPv6 address without a zone (RFC 4291 section 2.2). Its last 32
// bits may be in dotted decimal.
func Parse6(addr *[16]byte, s string) bool {
	*addr = [16]byte{}
	at, gap := 0, -1 // bytes written, and how many before the "::"
	n, digits := 0, 0
	start := 0 // of this group
	for i := 0; uint(i) < uint(len(s)); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		case c == ':':
			double := i+1 < len(s) && s[i+1] == ':'
			switch {
			case digits > 0 && i+1 < len(s) && at < 14:
				addr[at&15], addr[(at+1)&15] = byte(n>>8), byte(n)
				at += 2
			case i == 0 && double:
			default:
				return false
			}
			n, digits = 0, 0
			if double {
				if gap >= 0 {
					return false
				}
				gap = at
				i++
			}
			start = i + 1
			continue
		case c == '.' && digits > 0 && at <= 12:
			var last [16]byte
			if !Parse4(&last, cut(s, start, len(s))) {
				return false
			}
			for j := range 4 {
				addr[(at+j)&15] = last[j]
			}
			at += 4
			digits = 0
			i = len(s)
			continue
		default:
			return false
		}
		if digits++; digits > 4 {
			return false
		}
	}
	if digits > 0 {
		if at > 14 {
			return false
		}
		addr[at&15], addr[(at+1)&15] = byte(n>>8), byte(n)
		at += 2
	}
	switch {
	case gap < 0:
		return at == 16
	case at == 16:
		return false
	}
	tail := at - gap // what follows the "::" goes to the end
	for i := tail - 1; i >= 0; i-- {
		addr[(16-tail+i)&15] = addr[(gap+i)&15]
	}
	for i := gap; i < 16-tail; i++ {
		addr[i&15] = 0
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// isBelow reports whether name is domain or ends in it.
func isBelow(name, domain string) bool {
	at := len(name) - len(domain)
	return at >= 0 && equalFold(name[at:], domain) && (at == 0 || name[at-1] == '.')
}

// IsLocalhost reports whether name is localhost or ends in .localhost, with or
// without a trailing dot. Such a name is this machine's loopback address and no
// name server is asked for it (RFC 6761 section 6.3).
func IsLocalhost(name string) bool { return isBelow(trimDot(name), "localhost") }
