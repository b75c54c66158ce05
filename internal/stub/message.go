package stub

// Types of resource records (RFC 1035 section 3.2.2, RFC 3596, RFC 2782).
const (
	TypeA     = 1
	typeCNAME = 5
	TypeAAAA  = 28
	TypeSRV   = 33
)

const (
	// maxPointers bounds the compression pointers that follow each other directly.
	// There is usually one, and a second if a server compresses pointers.
	maxPointers = 16

	// maxAliases bounds a CNAME chain. BIND has the same limit.
	maxAliases = 16
)

// records reads the records of a message, one after another.
type records struct {
	m    []byte
	at   int // where the next record begins
	left int // in this section
	bad  bool

	// The record that next has read.
	owner int // offset of its name
	kind  uint16
	class uint16
	start int // offset of its data
	data  []byte
}

// next reports whether there is another record.
func (r *records) next() bool {
	if r.left == 0 || r.bad {
		return false
	}
	r.left--
	r.bad = true // until proven otherwise
	at := skipName(r.m, r.at)
	if at < 0 || at > len(r.m) {
		return false
	}
	f := r.m[at:]
	if len(f) < 10 {
		return false
	}
	n := int(f[8])<<8 | int(f[9])
	r.owner, r.start = r.at, at+10
	r.kind = uint16(f[0])<<8 | uint16(f[1])
	r.class = uint16(f[2])<<8 | uint16(f[3])
	r.data = f[10:]
	if n > len(r.data) {
		return false
	}
	r.data = r.data[:n]
	r.at, r.bad = r.start+n, false
	return true
}

// An Answer iterates over the records of a message that answer its question:
// those of the type asked for whose owner is the name asked for, or the name to
// which CNAME records lead from there. Records of other owners do not count.
type Answer struct {
	// The record that Next has found.
	Addr Addr    // of an A or AAAA record
	SRV  Service // of an SRV record

	records
	want  uint16 // type
	canon int    // offset of the name whose records count
}

// A Service is the data of an SRV record (RFC 2782).
type Service struct {
	Priority, Weight, Port uint16
	Target                 int // offset of the name in the message: see AppendName
}

// init makes a read m, which answers q. The CNAME records may be in any order.
func (a *Answer) init(m []byte, q *query) {
	*a = Answer{want: q.kind, canon: headerLen}
	for range maxAliases {
		a.rewind(m, q.n)
		alias := -1
		for alias < 0 && a.next() {
			if a.kind == typeCNAME && a.class == 1 && sameName(m, a.owner, a.canon) {
				alias = a.start
			}
		}
		if alias < 0 {
			break
		}
		a.canon = alias
	}
	a.rewind(m, q.n)
}

func (a *Answer) rewind(m []byte, at int) {
	a.records = records{m: m, at: at}
	if len(m) >= headerLen {
		a.left = int(m[6])<<8 | int(m[7])
	}
}

// Next reports whether there is another record.
func (a *Answer) Next() bool {
	for a.next() {
		if a.kind != a.want || a.class != 1 || !sameName(a.m, a.owner, a.canon) {
			continue
		}
		data := a.data
		switch a.kind {
		case TypeA:
			if len(data) != 4 {
				a.bad = true
				return false
			}
			a.Addr = Addr{IP: [16]byte{data[0], data[1], data[2], data[3]}, Is4: true}
		case TypeAAAA:
			if len(data) != 16 {
				a.bad = true
				return false
			}
			a.Addr = Addr{IP: [16]byte(data)}
			a.Addr.unmap()
		case TypeSRV:
			if len(data) < 7 {
				a.bad = true
				return false
			}
			if end := skipName(a.m, a.start+6); end < 0 || end > a.at {
				a.bad = true
				return false
			}
			a.SRV = Service{
				Priority: uint16(data[0])<<8 | uint16(data[1]),
				Weight:   uint16(data[2])<<8 | uint16(data[3]),
				Port:     uint16(data[4])<<8 | uint16(data[5]),
				Target:   a.start + 6,
			}
		}
		return true
	}
	return false
}

// skipName returns the offset after the name at offset at, or -1 if m ends
// before the name does.
func skipName(m []byte, at int) int {
	for at >= 0 && at < len(m) {
		n := int(m[at])
		switch {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			if at+2 > len(m) {
				return -1
			}
			return at + 2
		case n > maxLabel:
			return -1
		}
		at += 1 + n
	}
	return -1
}

// label returns the first label of the name at offset at, and the offset of the rest of
// that name. The root is a label without text. ok is false if there is no valid label.
// Every compression pointer must point backward (RFC 1035 section 4.1.4: to a prior
// occurrence), so that there are no loops.
func label(m []byte, at int) (text []byte, rest int, ok bool) {
	for range maxPointers {
		if at < 0 || at > len(m) {
			return nil, 0, false
		}
		b := m[at:]
		if len(b) == 0 {
			return nil, 0, false
		}
		n := int(b[0])
		b = b[1:]
		if n <= maxLabel {
			if n > len(b) {
				return nil, 0, false
			}
			return b[:n], at + 1 + n, true
		}
		if n < 0xc0 || len(b) == 0 {
			return nil, 0, false
		}
		to := (n&0x3f)<<8 | int(b[0])
		if to >= at {
			return nil, 0, false
		}
		at = to
	}
	return nil, 0, false
}

// sameName reports whether the names at offsets a and b are the same, in upper
// or lower case.
func sameName(m []byte, a, b int) bool {
	for range maxName { // more labels than a name can have
		if a == b {
			return true
		}
		textA, restA, okA := label(m, a)
		textB, restB, okB := label(m, b)
		if !okA || !okB || len(textA) != len(textB) {
			return false
		}
		if len(textA) == 0 {
			return true
		}
		for i, c := range textA {
			if i >= len(textB) || lower(c) != lower(textB[i]) {
				return false
			}
		}
		a, b = restA, restB
	}
	return false
}

// AppendName appends the name at offset at of the message m to b, with dots
// between its labels and none at the end: nothing for the root. b must have room
// for it; 254 bytes are enough. AppendName reports false if there is no valid
// name, if a label has a dot in it, or if b is too short.
func AppendName(b, m []byte, at int) ([]byte, bool) {
	for length := 0; ; {
		text, rest, ok := label(m, at)
		if !ok {
			return b, false
		}
		if len(text) == 0 {
			return b, true
		}
		if length > 0 {
			if b, ok = appendByte(b, '.'); !ok {
				return b, false
			}
		}
		for _, c := range text {
			if c == '.' {
				return b, false
			}
			if b, ok = appendByte(b, c); !ok {
				return b, false
			}
		}
		if length += len(text) + 1; length >= maxName {
			return b, false
		}
		at = rest
	}
}

// appendByte appends c if b has room: unlike append it never allocates.
func appendByte(b []byte, c byte) ([]byte, bool) {
	if len(b) >= cap(b) {
		return b, false
	}
	b = b[:len(b)+1]
	b[len(b)-1] = c
	return b, true
}
