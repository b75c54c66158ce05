package stub

import (
	"net/netip"
	"strconv"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// response builds the message that answers q with words.
func response(t testing.TB, q dnsmessage.Message, id uint16, words []string) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, Response: true, RecursionDesired: true, RecursionAvailable: true}, Questions: q.Questions}
	head := dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60}
	end := 0
	switch words[0] {
	case "nodata":
	case "nxdomain":
		m.RCode = dnsmessage.RCodeNameError
	case "servfail":
		m.RCode = dnsmessage.RCodeServerFailure
	case "refused":
		m.RCode = dnsmessage.RCodeRefused
	case "formerr":
		m.RCode = dnsmessage.RCodeFormatError
	case "notimp":
		m.RCode = dnsmessage.RCodeNotImplemented
	case "lame":
		m.RecursionAvailable = false
	case "srv":
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(words[1+i])
		}
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.SRVResource{
			Priority: uint16(n[0]), Weight: uint16(n[1]), Port: uint16(n[2]), Target: dnsmessage.MustNewName(words[4] + ".")}}}
	case "malformed":
		words, end = []string{"192.0.2.9", "192.0.2.10"}, 3
	case "wrong-id":
		m.ID, words = id+1, []string{"192.0.2.9"}
	case "other-name":
		m.Questions = []dnsmessage.Question{q.Questions[0]}
		m.Questions[0].Name = dnsmessage.MustNewName("other.example.")
		words = []string{"192.0.2.9"}
	case "tc":
		m.Truncated, words = true, words[1:]
	}
	for _, w := range words {
		addr, err := netip.ParseAddr(w)
		switch {
		case err != nil:
		case addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: addr.As4()}})
		default:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b)-end]
}
