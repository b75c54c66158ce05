package stub

// A Dest is an address to connect to, and the source address that the kernel
// would choose for it.
type Dest struct {
	Addr, Source Addr
	HasSource    bool // there is a route

	scope, label, precedence int
	sourceScope, sourceLabel int
}

// A Policy is a policy table (RFC 6724 section 2.1). The zero value is the default table;
// gai.conf(5) can replace its precedences.
type Policy struct {
	precedences [maxPolicy]rule
	n           int
}

const maxPolicy = 32

// A rule is a line of the table: a prefix and its precedence or label. It has IPv4
// addresses as IPv4-mapped ones, in ::ffff:0:0/96.
type rule struct {
	prefix [16]byte
	bits   int
	value  int
}

var defaultPrecedences = [...]rule{
	{[16]byte{15: 1}, 128, 50},
	{[16]byte{}, 0, 40},
	{[16]byte{10: 0xff, 11: 0xff}, 96, 35},
	{[16]byte{0x20, 0x02}, 16, 30},
	{[16]byte{0x20, 0x01}, 32, 5},
	{[16]byte{0xfc}, 7, 3},
	{[16]byte{}, 96, 1},
	{[16]byte{0xfe, 0xc0}, 10, 1},
	{[16]byte{0x3f, 0xfe}, 16, 1},
}

var labels = [...]rule{
	{[16]byte{15: 1}, 128, 0},
	{[16]byte{}, 0, 1},
	{[16]byte{10: 0xff, 11: 0xff}, 96, 4},
	{[16]byte{0x20, 0x02}, 16, 2},
	{[16]byte{0x20, 0x01}, 32, 5},
	{[16]byte{0xfc}, 7, 13},
	{[16]byte{}, 96, 3},
	{[16]byte{0xfe, 0xc0}, 10, 11},
	{[16]byte{0x3f, 0xfe}, 16, 12},
}

// Parse reads the lines "precedence PREFIX VALUE" of gai.conf(5). As in glibc, one
// such line replaces the whole table. Labels and scopes remain those of RFC 6724.
func (p *Policy) Parse(text string) {
	p.n = 0
	for len(text) > 0 {
		var line, keyword, prefix, value string
		line, text = cutLine(text)
		keyword, line = cutWord(line)
		prefix, line = cutWord(line)
		value, _ = cutWord(line)
		n, ok := number(value, "")
		if keyword != "precedence" || !ok {
			continue
		}
		r := rule{value: n}
		if i := p.n; uint(i) < maxPolicy && r.parsePrefix(prefix) {
			p.precedences[i] = r
			p.n++
		}
	}
}

func (r *rule) parsePrefix(s string) bool {
	slash := 0
	for slash < len(s) && s[slash] != '/' {
		slash++
	}
	var a Addr
	if !a.ParseAddr(cut(s, 0, slash)) {
		return false
	}
	r.prefix, r.bits = a.mapped(), 128
	if slash < len(s) {
		bits, ok := number(cut(s, slash, len(s)), "/")
		if !ok || bits > 128 {
			return false
		}
		r.bits = bits
		if a.Is4 && bits <= 32 && isDotted(s) {
			r.bits += 96
		}
	}
	return true
}

func isDotted(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == ':' {
			return false
		}
	}
	return true
}

// mapped returns a as an IPv6 address.
func (a *Addr) mapped() [16]byte {
	if !a.Is4 {
		return a.IP
	}
	return [16]byte{10: 0xff, 11: 0xff, 12: a.IP[0], 13: a.IP[1], 14: a.IP[2], 15: a.IP[3]}
}

// lookUp returns the value of the longest prefix of ip in the table, or the default
// precedence of ::/0 if there is none, as in glibc (getaddrinfo.c: gaiconf_init).
func lookUp(table []rule, ip [16]byte) int {
	value, longest := 40, -1
	for i := range table {
		r := &table[i]
		if r.bits > longest && commonBits(&ip, &r.prefix) >= r.bits {
			value, longest = r.value, r.bits
		}
	}
	return value
}

func commonBits(a, b *[16]byte) int {
	for i := range 16 {
		for bit := range 8 {
			mask := byte(0x80) >> bit
			if a[i]&mask != b[i]&mask {
				return i*8 + bit
			}
		}
	}
	return 128
}

// scope returns the scope of a: link-local, site-local or global (RFC 6724
// sections 3.1 and 3.2).
func (a *Addr) scope() int {
	const linkLocal, siteLocal, global = 2, 5, 14
	switch {
	case a.isLoopback(), a.IsLinkLocal():
		return linkLocal
	case !a.Is4 && a.IP[0] == 0xfe && a.IP[1]&0xc0 == 0xc0:
		return siteLocal
	}
	return global
}

// IsLinkLocal reports whether a is in fe80::/10 or 169.254/16.
func (a *Addr) IsLinkLocal() bool {
	if a.Is4 {
		return a.IP[0] == 169 && a.IP[1] == 254
	}
	return a.IP[0] == 0xfe && a.IP[1]&0xc0 == 0x80
}

// Sort sorts list by RFC 6724 section 6, the best address first. The order of equal ones
// does not change.
func (p *Policy) Sort(list []Dest) {
	precedences := defaultPrecedences[:]
	if p.n > 0 && p.n <= maxPolicy {
		precedences = p.precedences[:p.n]
	}
	for i := range list {
		d := &list[i]
		d.scope, d.label, d.precedence = d.Addr.scope(), lookUp(labels[:], d.Addr.mapped()), lookUp(precedences, d.Addr.mapped())
		d.sourceScope, d.sourceLabel = d.Source.scope(), lookUp(labels[:], d.Source.mapped())
		for j := i; j > 0 && j < len(list); j-- {
			if !list[j].before(&list[j-1]) {
				break
			}
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// before reports whether a is preferred to b. It does not have the rules of RFC 6724
// section 6 for deprecated, home and tunneled addresses (3, 4 and 7), for which a source
// address alone is not enough.
func (a *Dest) before(b *Dest) bool {
	switch {
	case a.HasSource != b.HasSource: // rule 1
		return a.HasSource
	case !a.HasSource:
		return false
	case (a.scope == a.sourceScope) != (b.scope == b.sourceScope): // rule 2
		return a.scope == a.sourceScope
	case (a.label == a.sourceLabel) != (b.label == b.sourceLabel): // rule 5
		return a.label == a.sourceLabel
	case a.precedence != b.precedence: // rule 6
		return a.precedence > b.precedence
	case a.scope != b.scope: // rule 8
		return a.scope < b.scope
	case a.Addr.Is4 || b.Addr.Is4:
		// With IPv4, rule 9 would undo the name servers' rotation.
		return false
	}
	const network = 64 // the bits of the interface identifier do not tell how near a host is
	bitsA := min(commonBits(&a.Addr.IP, &a.Source.IP), network)
	bitsB := min(commonBits(&b.Addr.IP, &b.Source.IP), network)
	return bitsA > bitsB // rule 9
}
