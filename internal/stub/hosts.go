package stub

import (
	"math/bits"
	"unsafe"
)

// Hosts looks for the addresses of one name in the text of hosts(5), piece by piece, so
// that a file of any size needs no more memory than one piece. It finds every line that
// has the name, as its canonical name or as an alias, in upper or lower case.
type Hosts struct {
	// Addr is the address that Scan found.
	Addr Addr

	name  string // without a trailing dot
	state byte
	text  [64]byte // the address of this line
	n     int      // its length
	match int      // how many bytes of this word match the name; -1 if it is a different one
}

const (
	inAddr = iota
	inBlank
	inName
	inRest // nothing more to look for in this line
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

// Scan scans b, the next piece of the file. It returns how many bytes it has scanned: all,
// or those up to an address that it found. The caller then takes Addr, and scans the rest.
// After the last piece the caller scans a newline, as the last line may lack one.
func (h *Hosts) Scan(b []byte) (n int, found bool) {
	for i := 0; uint(i) < uint(len(b)); i++ {
		if h.state == inAddr && h.n == 0 && (i == 0 || b[i-1] == '\n') {
			n, found := h.scanLines(Cut(b, i, len(b)))
			if i += n; found || uint(i) >= uint(len(b)) {
				return i, found
			}
		}
		if uint(i) < uint(len(b)) && h.scanByte(b[i]) {
			return i + 1, true
		}
	}
	return len(b), false
}

// scanLines is scanByte for the complete lines at the beginning of b, and faster: block
// lists have hundreds of thousands of lines. It returns how many bytes it has scanned.
func (h *Hosts) scanLines(b []byte) (n int, found bool) {
	i := 0
	for {
		line := i
		i = skipBlanks(b, i)
		addr := i
		i = skipWord(b, i)
		addrEnd := i
		for hit := false; ; {
			i = skipBlanks(b, i)
			word := i
			i = skipWord(b, i)
			if uint(i) >= uint(len(b)) {
				return line, false // the line continues in the next piece
			}
			hit = hit || i > word && h.isName(Cut(b, word, i))
			c := b[i]
			if c == '#' {
				for uint(i) < uint(len(b)) && b[i] != '\n' {
					i++
				}
				if uint(i) >= uint(len(b)) {
					return line, false
				}
				c = b[i]
			}
			if c != '\n' {
				continue
			}
			i++
			if hit && h.Addr.ParseAddr(Text(Cut(b, addr, addrEnd))) {
				return i, true
			}
			break
		}
	}
}

func skipBlanks(b []byte, i int) int {
	for uint(i) < uint(len(b)) && isBlank(b[i]) {
		i++
	}
	return i
}

// skipWord returns the offset of the first byte at or after i that ends a word.
// It takes steps of eight bytes while none of them is below '$'.
func skipWord(b []byte, i int) int {
	const ones, highBits = 0x0101010101010101, 0x8080808080808080
	for i < len(b) {
		for rest := Cut(b, i, len(b)); len(rest) >= 8; rest = rest[8:] {
			x := uint64(rest[0]) | uint64(rest[1])<<8 | uint64(rest[2])<<16 | uint64(rest[3])<<24 |
				uint64(rest[4])<<32 | uint64(rest[5])<<40 | uint64(rest[6])<<48 | uint64(rest[7])<<56
			if below := (x - '$'*ones) &^ x & highBits; below != 0 {
				i += bits.TrailingZeros64(below) / 8
				break
			}
			i += 8
		}
		if uint(i) >= uint(len(b)) || endsWord(b[i]) {
			break
		}
		i++
	}
	return i
}

// Cut returns b[from:to], or nil if b is too short. The compiler adds no bounds check,
// whose failure could not be handled before Go's runtime has started.
func Cut(b []byte, from, to int) []byte {
	if from < 0 || from > to || to > len(b) {
		return nil
	}
	return b[from:to]
}

// cut is Cut for strings.
func cut(s string, from, to int) string {
	if from < 0 || from > to || to > len(s) {
		return ""
	}
	return s[from:to]
}

// Text returns b as a string that shares its bytes.
//
//go:nocheckptr
func Text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// isName reports whether word is the name, with or without a trailing dot.
func (h *Hosts) isName(word []byte) bool {
	n := len(h.name)
	if n == 0 || len(word) != n && (len(word) != n+1 || word[n] != '.') {
		return false
	}
	return equalFold(Text(Cut(word, 0, n)), h.name)
}

// scanByte reads one byte and reports whether an address was found before it.
func (h *Hosts) scanByte(c byte) (found bool) {
	isWord := !endsWord(c)
	if isWord && h.state == inBlank {
		h.state, h.match = inName, 0
	}
	switch {
	case h.state == inAddr && isWord:
		if h.n == len(h.text) {
			h.state = inRest
			return false
		}
		h.text[h.n&63] = c
		h.n++
		return false
	case h.state == inAddr && h.n > 0:
		h.state = inBlank
	case h.state == inName && isWord:
		switch m := h.match; {
		case uint(m) < uint(len(h.name)) && lower(h.name[m]) == lower(c), m == len(h.name) && c == '.':
			h.match++
		default:
			h.match = -1
		}
		return false
	case h.state == inName:
		h.state = inBlank
		if h.match >= len(h.name) && len(h.name) > 0 {
			h.state = inRest
			found = h.Addr.ParseAddr(Text(Cut(h.text[:], 0, h.n)))
		}
	}
	switch c {
	case '#':
		h.state = inRest
	case '\n':
		h.state, h.n = inAddr, 0
	}
	return found
}

// blanks and wordEnds are sets of bytes below 64.
const (
	blanks   = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\v' | 1<<'\f'
	wordEnds = blanks | 1<<'\n' | 1<<'#'
)

func isBlank(c byte) bool  { return c < 64 && uint64(blanks)>>c&1 != 0 }
func endsWord(c byte) bool { return c < 64 && uint64(wordEnds)>>c&1 != 0 }
