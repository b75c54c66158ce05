package stub

import "unsafe"

// Hosts looks for the addresses of one name in the text of hosts(5), piece by
// piece: a file of any size takes no more memory than one piece. Every line
// that has the name counts, as its canonical name or as an alias, in upper or
// lower case.
type Hosts struct {
	// Addr is the address that Scan found.
	Addr Addr

	name  string // without the last dot
	state byte
	text  [64]byte // the address of this line ...
	n     int      // ... which has so many bytes, if they fit
	match int      // so many bytes of the name match this word; -1 if it is another
}

const (
	inAddr = iota
	inBlank
	inName
	inRest // of a line that has nothing more to say
)

// Init makes h look for name, from the beginning of a file.
func (h *Hosts) Init(name string) {
	*h = Hosts{name: trimDot(name)}
}

func trimDot(name string) string {
	if len(name) > 0 && name[len(name)-1] == '.' {
		return name[:len(name)-1]
	}
	return name
}

// Scan reads b, which goes on where the last piece ended. It returns at the end
// of b, or as soon as it found an address, with the number of bytes that it has
// read: the caller takes Addr and scans the rest. After the last piece the caller
// scans a newline, as the last line may lack its own.
func (h *Hosts) Scan(b []byte) (n int, found bool) {
	for i, c := range b {
		switch h.state {
		case inAddr:
			switch {
			case isBlank(c):
				if h.n > 0 {
					h.state = inBlank
				}
			case c == '\n':
				h.n = 0
			case c == '#' || h.n == len(h.text):
				h.state = inRest
			default:
				h.text[h.n&63] = c
				h.n++
			}
			continue
		case inBlank:
			if isBlank(c) {
				continue
			}
			if c == '#' {
				h.state = inRest
				continue
			}
			h.state, h.match = inName, 0
		case inRest:
			if c == '\n' {
				h.state, h.n = inAddr, 0
			}
			continue
		}
		// In a name.
		if !isBlank(c) && c != '\n' && c != '#' {
			if m := h.match; m >= 0 {
				switch {
				case m < len(h.name) && lower(h.name[m]) == lower(c), m == len(h.name) && c == '.':
					h.match++
				default:
					h.match = -1
				}
			}
			continue
		}
		hit := h.match >= len(h.name) && len(h.name) > 0
		switch {
		case c == '\n':
			h.state = inAddr
		case c == '#' || hit:
			h.state = inRest
		default:
			h.state = inBlank
		}
		if hit && h.Addr.ParseAddr(unsafe.String(&h.text[0], h.n)) {
			if c == '\n' {
				h.n = 0
			}
			return i + 1, true
		}
		if c == '\n' {
			h.n = 0
		}
	}
	return len(b), false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }
