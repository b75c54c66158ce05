// Package term is about what a person reads: how wide the screen is, whether it has
// color, which characters it has, how text from elsewhere is made safe for it, and how a
// command to copy is quoted.
//
// It is on the way of every race: it imports little, and initializes nothing.
package term

import (
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Screen is what text is written to: a terminal, a file or a pipe.
type Screen struct {
	Terminal bool
	Width    int  // columns; 80 where nobody says
	Color    bool // by the escape sequences of ECMA-48
	ASCII    bool // it has no other characters
}

// DefaultWidth is the width in columns where neither the terminal nor COLUMNS says.
const DefaultWidth = 80

// Of returns what the file descriptor fd can show.
//
// COLUMNS goes before the width of the terminal. NO_COLOR, if not empty, turns color
// off (no-color.org); CLICOLOR_FORCE, if neither empty nor 0, turns it on also where
// there is no terminal. NO_COLOR wins.
func Of(fd int) Screen {
	columns, terminal := size(fd)
	s := Screen{Terminal: terminal, Width: DefaultWidth, ASCII: !utf8Locale()}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.Width = n
	} else if columns > 0 {
		s.Width = columns
	}
	force := os.Getenv("CLICOLOR_FORCE")
	switch {
	case os.Getenv("NO_COLOR") != "":
	case force != "" && force != "0":
		s.Color = true
	default:
		s.Color = terminal && !IsDumb()
	}
	return s
}

// Columns returns the width of the terminal that fd is, or of COLUMNS if that is less:
// a longer line would wrap. It returns 0 if fd is not a terminal.
func Columns(fd int) int {
	columns, terminal := size(fd)
	switch {
	case !terminal:
		return 0
	case columns == 0: // a serial line does not know
		columns = DefaultWidth
	}
	return min(columns, Of(fd).Width)
}

// IsDumb reports whether TERM says that the terminal has no escape sequences.
func IsDumb() bool {
	name := os.Getenv("TERM")
	return name == "" || name == "dumb"
}

// utf8Locale reports whether the locale's characters are UTF-8: the first of these
// variables that is set decides (POSIX, section 8.2).
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(os.Getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}

// The codes of SGR (ECMA-48) by which Paint colors text.
const (
	Plain  = ""
	Bold   = "1"
	Faint  = "2"
	Red    = "31"
	Yellow = "33"
	Green  = "32"
)

// Paint returns text in a color, if s has color.
func (s Screen) Paint(color, text string) string {
	if !s.Color || color == Plain || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[m"
}

// MaxForeign is how many bytes of a text from elsewhere are shown.
const MaxForeign = 200

// Sanitize makes text from elsewhere safe to show: a host name, what a server, a proxy
// or a name server said, an error of a daemon. It cuts the text to MaxForeign bytes
// and puts a ? for whatever is not printable.
func Sanitize(text string) string {
	const dots = "..."
	if len(text) <= MaxForeign {
		return Printable(text)
	}
	end := MaxForeign - len(dots)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return Printable(text[:end]) + dots
}

// Printable puts a ? for each character that a terminal might obey, or that might
// reorder what it shows: controls (C0, DEL, C1), line breaks, formatting characters
// such as those of bidirectional text, and bytes that are not UTF-8. It does not
// shorten the text.
func Printable(text string) string {
	if isASCII(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// ASCII is Printable for a line whose columns are counted: it puts a ? for each character
// outside ASCII, too, which may be none or two columns wide.
func ASCII(text string) string {
	if isASCII(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// isASCII reports whether text has nothing but printable ASCII, as nearly all has.
func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Quote returns text as a word that a shell reads as it is.
func Quote(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
