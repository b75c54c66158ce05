package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSaid bounds what is quoted of a server.
const maxSaid = 200

// A Refusal is why a candidate failed whose server said something else than
// Dialer.Banner, and closed the connection. It matches ErrNoBanner.
type Refusal struct {
	// Said is what the server said: of its first line that has text at most 200
	// bytes, without control characters and what else changes how a terminal
	// shows the rest.
	Said string
}

func (e *Refusal) Error() string        { return "the server said: \"" + e.Said + "\"" }
func (e *Refusal) Is(target error) bool { return target == ErrNoBanner }

// refusal is the error of a server that has said text, and closed.
func refusal(text []byte) error {
	for line := range strings.Lines(string(text)) {
		if said := printable(line); said != "" {
			return &Refusal{said}
		}
	}
	return nil
}

// printable returns line without what is not for people to read: control
// characters, C1's included, those that only set the direction of text (category
// Cf) or are private, and what is no UTF-8.
func printable(line string) string {
	line = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, line)
	line = strings.TrimSpace(line)
	for len(line) > maxSaid {
		_, size := utf8.DecodeLastRuneInString(line)
		line = line[:len(line)-size]
	}
	return line
}
