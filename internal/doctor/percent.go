//go:build unix

package doctor

import (
	"net/netip"
	"strings"
)

// checkZones looks for a % that must be doubled.
func (l *login) checkZones() []Finding {
	doubled := doubleZones(l.command)
	if doubled == l.command {
		return nil
	}
	f := Finding{Check: "%", Status: Fail, Found: "ssh reads % as the start of a token such as %h: write %% for a literal %"}
	return []Finding{l.fixCommand(f, doubled)}
}

// tokens are the letters that ssh replaces after a % in a ProxyCommand, besides %% (%k since
// OpenSSH 8.4).
const tokens = "hknpr"

// expand replaces the tokens in text, as ssh does. The caller has made sure with doubleZones
// that there are no unknown ones.
func expand(text string, values map[byte]string) string {
	var b strings.Builder
	for at := 0; at < len(text); at++ {
		if text[at] != '%' || at+1 == len(text) {
			b.WriteByte(text[at])
			continue
		}
		at++
		if text[at] == '%' {
			b.WriteByte('%')
		} else {
			b.WriteString(values[text[at]])
		}
	}
	return b.String()
}

// doubleZones doubles each % of command that is not meant as a token: one that begins the
// zone of an address, whatever follows it, and one that is not followed by a letter of
// tokens.
func doubleZones(command string) string {
	var b strings.Builder
	for at := 0; at < len(command); at++ {
		b.WriteByte(command[at])
		if command[at] != '%' {
			continue
		}
		var next byte
		if at+1 < len(command) {
			next = command[at+1]
		}
		switch {
		case next == '%':
			at++
			b.WriteByte('%')
		case next == 0, strings.IndexByte(tokens, next) < 0, endsInLinkLocal(command[:at]):
			b.WriteByte('%')
		}
	}
	return b.String()
}

// endsInLinkLocal reports whether text ends in a link-local address.
func endsInLinkLocal(text string) bool {
	at := len(text)
	for at > 0 && strings.IndexByte("0123456789abcdefABCDEF:", text[at-1]) >= 0 {
		at--
	}
	a, err := netip.ParseAddr(text[at:])
	return err == nil && a.Is6() && a.IsLinkLocalUnicast()
}
