package stub

// Types of resource records (RFC 1035 section 3.2.2, RFC 3596, RFC 2782).
const (
	TypeA     = 1
	typeCNAME = 5
	TypeAAAA  = 28
	TypeSRV   = 33
)

const (
	headerLen  = 12
	maxName    = 255 // of a name on the wire: RFC 1035 section 2.3.4
	maxLabel   = 63
	maxPointer = 128 // compression pointers in one name; each goes back, and a name has 127 labels at most

	// MaxQuery is the length of the longest question: a header, a name, a type
	// and a class.
	MaxQuery = headerLen + maxName + 4

	// maxAlias bounds a CNAME chain.
	maxAlias = 16
)

// A query is one question as it goes over the wire. It has no OPT record (RFC
// 6891): old servers and middleboxes answer FORMERR to that, or not at all, and
// 512 bytes are enough for the addresses of a host. What is not asks for TCP.
type query struct {
	b [MaxQuery]byte
	n int
}

// write makes q ask for records of type t of name, below domain unless that is
// empty. It reports whether that is a name at all (RFC 1035 section 2.3.4).
func (q *query) write(id, t uint16, name, domain string) bool {
	q.b = [MaxQuery]byte{
		byte(id >> 8), byte(id),
		1,          // RD: recursion desired
		0, 0, 1, 0, // one question
	}
	q.n = headerLen
	if !q.labels(name) || domain != "" && !q.labels(domain) {
		return false
	}
	if q.n == headerLen || q.n+5 > len(q.b) {
		return false
	}
	for _, c := range [5]byte{0, byte(t >> 8), byte(t), 0, 1} { // the root, type, class IN
		q.b[q.n] = c
		q.n++
	}
	return true
}

// labels writes the labels of name, without the root.
func (q *query) labels(name string) bool {
	length := q.n // where the length of this label goes
	q.n++
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '.' {
			n := q.n - length - 1
			if n == 0 || n > maxLabel || length >= len(q.b) {
				return false
			}
			q.b[length] = byte(n)
			length = q.n
			q.n++
			continue
		}
		if q.n >= headerLen+maxName-1 {
			return false
		}
		q.b[q.n] = name[i]
		q.n++
	}
	q.n-- // no label follows
	return true
}

// id is what identifies an answer to q.
func (q *query) id() uint16 { return uint16(q.b[0])<<8 | uint16(q.b[1]) }

// kind is the type of the records that q asks for.
func (q *query) kind() uint16 {
	i := q.n - 4
	if i < 0 || i+1 >= len(q.b) {
		return 0
	}
	return uint16(q.b[i])<<8 | uint16(q.b[i+1])
}

// A Verdict says what a message is worth.
type Verdict byte

const (
	Ignored   Verdict = iota // not an answer to the question
	Positive                 // it has records of the type asked for
	Truncated                // the rest is to be had by TCP; it may have some records
	NoData                   // the name has no records of this type
	NXDomain                 // there is no such name
	Refused                  // REFUSED
	ServFail                 // SERVFAIL
	FormErr                  // FORMERR
	NotImp                   // NOTIMP
	OtherCode                // another response code
	Lame                     // it does not resolve names for us
	Malformed                // it ends early, or loops

	// What a caller tells of a server that sent no message.
	NoAnswer    // nothing has come yet
	PortClosed  // ICMP says that nobody listens there
	Unreachable // this machine has no route to it
	TCPFailed   // the answer was truncated, and TCP failed
)

// judge reads the message m as an answer to q. A caller has made sure that it
// came from the server that was asked. By TCP no message is truncated.

func (q *query) judge(m []byte, tcp bool) Verdict {
	if len(m) < headerLen || uint16(m[0])<<8|uint16(m[1]) != q.id() || m[2]&0x80 == 0 || m[2]&0x78 != 0 {
		return Ignored
	}
	code := m[3] & 0xf
	questions := int(m[4])<<8 | int(m[5])
	if questions == 0 && code != 0 && len(m) == headerLen {
		return failure(code) // a header alone: some servers refuse so
	}
	if questions != 1 || !q.matches(m) {
		return Ignored
	}
	switch code {
	case 0:
	case 3:
		return NXDomain
	default:
		return failure(code)
	}
	r := records{m: m, at: q.n}
	r.left = int(m[6])<<8 | int(m[7])
	var a Answer
	a.init(m, q)
	found := false
	for a.Next() {
		found = true
	}
	const tc, ra, aa = 0x02, 0x80, 0x04
	switch {
	case m[2]&tc != 0 && !tcp:
		return Truncated
	case a.bad:
		return Malformed
	case found:
		return Positive
	case r.left == 0 && m[2]&aa == 0 && m[3]&ra == 0 && m[10] == 0 && m[11] == 0:
		return Lame // as glibc tells one (res_send.c: send_dg)
	}
	return NoData
}

func failure(code byte) Verdict {
	switch code {
	case 1:
		return FormErr
	case 2:
		return ServFail
	case 4:
		return NotImp
	case 5:
		return Refused
	}
	return OtherCode
}

// matches reports whether m repeats q's question. Servers may change the case
// of letters.
func (q *query) matches(m []byte) bool {
	if len(m) < q.n || q.n > len(q.b) {
		return false
	}
	name := q.n - 4
	for i := headerLen; i < q.n; i++ {
		same := m[i] == q.b[i] || i < name && lower(m[i]) == lower(q.b[i])
		if !same {
			return false
		}
	}
	return true
}

// records reads the records of a message, one after another.
type records struct {
	m    []byte
	at   int // where the next one begins
	left int // in this section
	bad  bool

	// The record that next has read.
	owner     int // where its name is
	kind      uint16
	class     uint16
	data, end int // where its data are
}

// next reports whether there is another record.
func (r *records) next() bool {
	if r.left == 0 || r.bad {
		return false
	}
	r.left--
	r.owner = r.at
	at := skipName(r.m, r.at)
	if at < 0 || at+10 > len(r.m) {
		r.bad = true
		return false
	}
	f := r.m[at:]
	if len(f) < 10 {
		r.bad = true
		return false
	}
	r.kind = uint16(f[0])<<8 | uint16(f[1])
	r.class = uint16(f[2])<<8 | uint16(f[3])
	r.data = at + 10
	r.end = r.data + int(f[8])<<8 + int(f[9])
	if r.end > len(r.m) {
		r.bad = true
		return false
	}
	r.at = r.end
	return true
}

// An Answer yields the records of a message that answer its question: those of
// the type asked for, whose owner is the name asked for or what CNAME records
// lead to from there. Records of anybody else do not count.
type Answer struct {
	// What Next has found.
	Addr Addr    // of an A or AAAA record
	SRV  Service // of an SRV record

	records
	kind  uint16
	canon int // where the name is that the records are of
}

// A Service is the data of an SRV record (RFC 2782).
type Service struct {
	Priority, Weight, Port uint16
	Target                 int // where the name is in the message: see AppendName
}

// init makes a read m, which answers q.
func (a *Answer) init(m []byte, q *query) {
	*a = Answer{kind: q.kind(), canon: headerLen}
	for range maxAlias {
		a.rewind(m, q.n)
		alias := -1
		for alias < 0 && a.records.next() {
			if a.records.kind == typeCNAME && a.class == 1 && sameName(m, a.owner, a.canon) {
				alias = a.data
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
	for a.records.next() {
		if a.records.kind != a.kind || a.class != 1 || !sameName(a.m, a.owner, a.canon) {
			continue
		}
		data := a.m[a.data:a.end]
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
			if len(data) < 7 || skipName(a.m, a.data+6) < 0 {
				a.bad = true
				return false
			}
			a.SRV = Service{
				Priority: uint16(data[0])<<8 | uint16(data[1]),
				Weight:   uint16(data[2])<<8 | uint16(data[3]),
				Port:     uint16(data[4])<<8 | uint16(data[5]),
				Target:   a.data + 6,
			}
		}
		return true
	}
	return false
}

// skipName returns where the name at at ends, or -1 where it does not.
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

// label follows pointers from at to a label. It returns where that begins and
// its length, 0 for the root, or -1 for what is no name. Every pointer must go
// back (RFC 1035 section 4.1.4: a prior occurrence), so none loops.
func label(m []byte, at int) (start, n int) {
	for range maxPointer {
		if at < 0 || at >= len(m) {
			return 0, -1
		}
		n = int(m[at])
		switch {
		case n <= maxLabel:
			if at+1+n > len(m) {
				return 0, -1
			}
			return at + 1, n
		case n < 0xc0 || at+1 >= len(m):
			return 0, -1
		}
		to := (n&0x3f)<<8 | int(m[at+1])
		if to >= at {
			return 0, -1
		}
		at = to
	}
	return 0, -1
}

// sameName reports whether the names at a and b are the same, in upper or lower
// case.
func sameName(m []byte, a, b int) bool {
	for range maxName { // as many labels as a name can have, and more
		if a == b {
			return true
		}
		startA, n := label(m, a)
		startB, n2 := label(m, b)
		if n < 0 || n != n2 {
			return false
		}
		if n == 0 {
			return true
		}
		for i := 0; i < n; i++ {
			if startA+i >= len(m) || startB+i >= len(m) || lower(m[startA+i]) != lower(m[startB+i]) {
				return false
			}
		}
		a, b = startA+n, startB+n
	}
	return false
}

// AppendName appends the name at at of the message m to b, with dots between its
// labels and none at the end: nothing for the root. It reports false for what is
// no name, and for a name that has a dot in a label.
func AppendName(b, m []byte, at int) ([]byte, bool) {
	for length := 0; length <= maxName; {
		start, n := label(m, at)
		switch {
		case n < 0:
			return b, false
		case n == 0:
			return b, true
		}
		if length > 0 {
			b = append(b, '.')
		}
		for _, c := range m[start : start+n] {
			if c == '.' {
				return b, false
			}
			b = append(b, c)
		}
		length += n + 1
		at = start + n
	}
	return b, false
}
