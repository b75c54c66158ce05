package engine

import (
	"strings"
	"unicode"

	"fdrace/internal/term"
)

// A Refusal is the error of an attempt whose server sent something other than Dialer.Banner
// and closed the connection. It matches ErrNoBanner.
type Refusal struct {
	// Said is the first line with text, sanitized (see package term).
	Said string
}

func (e *Refusal) Error() string        { return "the server said: \"" + e.Said + "\"" }
func (e *Refusal) Is(target error) bool { return target == ErrNoBanner }

// refusal returns the error for a server that sent text and closed, or nil for no text.
func refusal(text []byte) error {
	for line := range strings.Lines(string(text)) {
		if said := printable(line); strings.Trim(said, "?") != "" {
			return &Refusal{said}
		}
	}
	return nil
}

// printable returns a line from a server or a proxy, sanitized.
func printable(line string) string {
	return term.Sanitize(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(line)))
}
