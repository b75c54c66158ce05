package engine

import (
	"strings"
	"unicode"

	"fdrace/internal/term"
)

// A Refusal is why a candidate failed whose server said something else than
// Dialer.Banner, and closed the connection. It matches ErrNoBanner.
type Refusal struct {
	// Said is its first line that has text, sanitized (see package term).
	Said string
}

func (e *Refusal) Error() string        { return "the server said: \"" + e.Said + "\"" }
func (e *Refusal) Is(target error) bool { return target == ErrNoBanner }

// refusal is the error of a server that has said text, and closed.
func refusal(text []byte) error {
	for line := range strings.Lines(string(text)) {
		if said := printable(line); strings.Trim(said, "?") != "" {
			return &Refusal{said}
		}
	}
	return nil
}

// printable returns a line of a server's or a proxy's as it can be shown.
func printable(line string) string {
	return term.Sanitize(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(line)))
}
