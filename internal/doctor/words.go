//go:build unix

package doctor

import (
	"errors"
	"fmt"
	"strings"
)

// A word is a word of a command line as the shell sees it, with its position.
type word struct {
	text       string // without quotes
	start, end int    // in the line, quotes included
}

// Errors for a line with more than one command. ssh writes exec before the line.
var (
	errSecondCommand = errors.New("ssh runs only the first command of a line, as it writes exec before the line")
	errPipe          = errors.New("its output goes into a pipe, and not to ssh")
)

// splitWords splits a ProxyCommand as a shell would: it handles quotes, backslashes,
// redirections of stderr and comments. Anything that only a shell can evaluate is an
// error. The tokens of ssh stay as they are.
func splitWords(line string) (words []word, err error) {
	for at := 0; ; {
		for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
			at++
		}
		if at == len(line) || line[at] == '#' {
			return words, nil
		}
		if skip := redirection(line[at:]); skip > 0 {
			at += skip
			continue
		}
		w := word{start: at}
		if w.text, at, err = scanWord(line, at); err != nil {
			return nil, err
		}
		w.end = at
		words = append(words, w)
	}
}

// redirection returns the length of the redirection of stderr that s begins with, or 0 if s
// begins with anything else, or with an unusual redirection.
func redirection(s string) int {
	rest, found := strings.CutPrefix(s, "2>")
	if !found {
		return 0
	}
	rest = strings.TrimPrefix(rest, ">")
	if strings.HasPrefix(rest, "&") {
		return 0 // to stdout, which is ssh's
	}
	rest = strings.TrimLeft(rest, " \t")
	_, at, err := scanWord(rest, 0)
	if err != nil || at == 0 {
		return 0
	}
	return len(s) - len(rest) + at
}

// scanWord returns the word that begins at line[at], and the offset of its end.
func scanWord(line string, at int) (text string, end int, err error) {
	var b strings.Builder
	for at < len(line) {
		switch c := line[at]; c {
		case ' ', '\t':
			return b.String(), at, nil
		case '\'':
			n := strings.IndexByte(line[at+1:], '\'')
			if n < 0 {
				return "", 0, errors.New("a ' is not closed")
			}
			b.WriteString(line[at+1 : at+1+n])
			at += n + 2
		case '"':
			inside, n, err := scanQuotes(line[at+1:])
			if err != nil {
				return "", 0, err
			}
			b.WriteString(inside)
			at += n + 2
		case '\\':
			if at+1 == len(line) {
				return "", 0, errors.New(`a \ is the last character`)
			}
			b.WriteByte(line[at+1])
			at += 2
		case '|', '&', ';':
			doubled := at+1 < len(line) && line[at+1] == c
			switch {
			case strings.TrimSpace(line[:at]) == "":
			case c == ';' || doubled:
				return "", 0, errSecondCommand
			case c == '|':
				return "", 0, errPipe
			}
			return "", 0, fmt.Errorf("only the shell can tell what its %q means", c)
		case '$', '`', '<', '>', '(', ')', '{', '}', '*', '?':
			return "", 0, fmt.Errorf("only the shell can tell what its %q means", c)
		default:
			b.WriteByte(c)
			at++
		}
	}
	return b.String(), at, nil
}

// scanQuotes returns the text at the beginning of s up to the next ", without escapes, and
// the offset of that ".
func scanQuotes(s string) (text string, n int, err error) {
	var b strings.Builder
	for at := 0; at < len(s); at++ {
		switch c := s[at]; {
		case c == '"':
			return b.String(), at, nil
		case c == '$' || c == '`':
			return "", 0, fmt.Errorf("only the shell can tell what its %q means", c)
		case c == '\\' && at+1 < len(s) && strings.IndexByte("\"\\$`", s[at+1]) >= 0:
			at++
			b.WriteByte(s[at])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errors.New(`a " is not closed`)
}
