package stub

const (
	headerLen = 12
	maxName   = 255 // bytes of a name on the wire, the root's among them: RFC 1035 section 2.3.4
	maxLabel  = 63

	// MaxQuery is the length of the longest question: a header, a name, a type
	// and a class.
	MaxQuery = headerLen + maxName + 4
)

// A query is one question in wire format. It has no OPT record (RFC 6891): old servers and
// middleboxes answer FORMERR to one, or do not answer, and 512 bytes are enough for the
// addresses of a host. A larger answer is truncated, and the question is then asked again
// over TCP.
type query struct {
	b    [MaxQuery]byte
	n    int    // length
	kind uint16 // the type of the records asked for
}

// write makes q ask for the records of type t of name or, if domain is not empty, of
// name.domain. It reports whether that is a valid name (RFC 1035 section 2.3.4).
func (q *query) write(id, t uint16, name, domain string) bool {
	q.b = [MaxQuery]byte{
		byte(id >> 8), byte(id),
		1,          // RD: recursion desired
		0, 0, 1, 0, // one question
	}
	q.n, q.kind = headerLen, t
	if !q.putName(name) || domain != "" && !q.putName(domain) || !q.put(0) { // the root
		return false
	}
	if q.n > headerLen+maxName {
		return false
	}
	return q.put(byte(t>>8)) && q.put(byte(t)) && q.put(0) && q.put(1) // class IN
}

// putName writes the labels of name, without the root.
func (q *query) putName(name string) bool {
	length := q.n // offset of this label's length
	ok := q.put(0)
	for i := range len(name) {
		if c := name[i]; c != '.' {
			ok = ok && q.put(c)
			continue
		}
		ok = ok && q.endLabel(length)
		length = q.n
		ok = ok && q.put(0)
	}
	return ok && q.endLabel(length)
}

// endLabel writes the length of the label that ends here. It reports whether
// that is allowed.
func (q *query) endLabel(length int) bool {
	n := q.n - length - 1
	if n < 1 || n > maxLabel || length < 0 || length >= len(q.b) {
		return false
	}
	q.b[length] = byte(n)
	return true
}

// put writes c and reports whether there was room for it.
func (q *query) put(c byte) bool {
	if q.n < 0 || q.n >= len(q.b) {
		return false
	}
	q.b[q.n] = c
	q.n++
	return true
}

// id identifies the answers to q.
func (q *query) id() uint16 { return uint16(q.b[0])<<8 | uint16(q.b[1]) }

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

// A Verdict classifies a server's message, or the lack of one.
type Verdict byte

const (
	Ignored   Verdict = iota // not an answer to the question
	Positive                 // it has records of the type asked for
	Truncated                // it may have some of the records; the question must be asked again over TCP
	NoData                   // the name has no records of this type
	NXDomain                 // the name does not exist
	Refused                  // REFUSED
	ServFail                 // SERVFAIL
	FormErr                  // FORMERR
	NotImp                   // NOTIMP
	OtherCode                // another response code
	Lame                     // the server does not resolve names for this machine
	Malformed                // it ends early, or a record in it is invalid

	// These do not come from a message.
	NoAnswer    // nothing has arrived yet
	PortClosed  // an ICMP error reports that nobody listens there
	Unreachable // this machine has no route to the server
	TCPFailed   // TCP failed: use-vc, or after a truncated answer
)

// judge reads the message m as an answer to q. The caller has made sure that it
// came from the server that was asked. No message over TCP is truncated.
func (q *query) judge(m []byte, tcp bool) Verdict {
	if len(m) < headerLen || uint16(m[0])<<8|uint16(m[1]) != q.id() || m[2]&0x80 == 0 || m[2]&0x78 != 0 {
		return Ignored
	}
	code := m[3] & 0xf
	questions := int(m[4])<<8 | int(m[5])
	if questions == 0 && code != 0 && len(m) == headerLen {
		return failure(code) // some servers refuse with a bare header
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
	case m[2]&aa == 0 && m[3]&ra == 0 && m[6]|m[7]|m[10]|m[11] == 0:
		return Lame // no answers and no additional records: glibc's test (res_send.c: send_dg)
	}
	return NoData
}

func failure(code byte) Verdict {
	switch code {
	case 1:
		return FormErr
	case 2:
		return ServFail
	case 3:
		return NXDomain
	case 4:
		return NotImp
	case 5:
		return Refused
	}
	return OtherCode
}
