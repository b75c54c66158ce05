//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Reply is a reply to a question. The zero value is an immediate NODATA.
type Reply struct {
	After     time.Duration
	Silent    bool
	Code      dnsmessage.RCode
	Truncated bool // by UDP; all of it by TCP
	Partial   int  // so many of the records are there all the same
	Lame      bool // it says that it does not resolve names
	Records   []dnsmessage.ResourceBody

	// What makes it an answer to somebody else.
	Owner   string // of the records, in place of the name asked for
	Asked   string // in the question it repeats
	WrongID bool
}

type question struct {
	name string
	kind dnsmessage.Type
}

// A zone is the data of a name server. A name with records of some types has none of
// the others (NODATA). For any other name, the records of "*.PARENT" apply, of the
// nearest parent that has them, then those of "*"; or else it is NXDOMAIN.
type zone map[question][]Reply

// maxAliases bounds a chain of CNAME records, which may be a loop.
const maxAliases = 20

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// find returns the replies to a question, and the names to which CNAME records
// lead from its own.
func (z zone) find(name string, kind dnsmessage.Type) (replies []Reply, aliases []string) {
	for len(aliases) < maxAliases {
		replies, alias := z.lookUp(name, kind)
		if alias == "" {
			return replies, aliases
		}
		name = alias
		aliases = append(aliases, alias)
	}
	return []Reply{{Code: dnsmessage.RCodeServerFailure}}, aliases
}

func (z zone) lookUp(name string, kind dnsmessage.Type) (replies []Reply, alias string) {
	for at := name; at != ""; {
		if r, ok := z[question{at, kind}]; ok {
			return r, ""
		}
		if r, ok := z[question{at, dnsmessage.TypeCNAME}]; ok {
			return nil, canonical(r[0].Records[0].(*dnsmessage.CNAMEResource).CNAME.String())
		}
		if z.knows(at) {
			return []Reply{{}}, ""
		}
		_, parent, ok := strings.Cut(strings.TrimPrefix(at, "*."), ".")
		if !ok {
			break
		}
		at = "*." + parent
	}
	if r, ok := z[question{"*", kind}]; ok {
		return r, ""
	}
	return []Reply{{Code: dnsmessage.RCodeNameError}}, ""
}

func (z zone) knows(name string) bool {
	for q := range z {
		if q.name == name {
			return true
		}
	}
	return false
}

// message returns the reply as a DNS message.
func (r *Reply) message(id uint16, q dnsmessage.Question, aliases []string, tcp bool) dnsmessage.Message {
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: id, Response: true, RCode: r.Code,
			RecursionDesired: true, RecursionAvailable: !r.Lame,
			Truncated: r.Truncated && !tcp,
		},
		Questions: []dnsmessage.Question{q},
	}
	if r.WrongID {
		m.ID ^= 1
	}
	if r.Asked != "" {
		m.Questions[0].Name = dnsmessage.MustNewName(r.Asked)
	}
	owner := q.Name
	add := func(body dnsmessage.ResourceBody) {
		head := dnsmessage.ResourceHeader{Name: owner, Class: dnsmessage.ClassINET, TTL: 60}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: body})
	}
	records := r.Records
	if m.Truncated {
		records = records[:min(r.Partial, len(records))]
	}
	for _, alias := range aliases {
		to := dnsmessage.MustNewName(alias + ".")
		add(&dnsmessage.CNAMEResource{CNAME: to})
		owner = to
	}
	if r.Owner != "" {
		owner = dnsmessage.MustNewName(r.Owner)
	}
	for _, body := range records {
		add(body)
	}
	return m
}

// rcodes are the words of scripts for response codes.
var rcodes = map[string]dnsmessage.RCode{
	"nodata":   dnsmessage.RCodeSuccess,
	"nxdomain": dnsmessage.RCodeNameError,
	"refused":  dnsmessage.RCodeRefused,
	"servfail": dnsmessage.RCodeServerFailure,
	"formerr":  dnsmessage.RCodeFormatError,
	"notimp":   dnsmessage.RCodeNotImplemented,
}

// parseReply parses a reply of the name server: TYPE=VALUE,...[+WORD...]. A value is an
// address (A, AAAA), priority/weight/port/target (SRV), or a name (CNAME). All values
// may be replaced by silent, nodata, nxdomain, refused, servfail, formerr, notimp or
// lame. TYPE+= adds a reply to those that exist. A WORD is
//
//	DELAY       the reply is sent so much later
//	tc, tc:N    UDP: truncated to N records; TCP has all
//	owner:NAME  the records are of another name
//	asked:NAME  the question section has another name
//	id          the ID is wrong
func parseReply(word string) (kind dnsmessage.Type, r Reply, more bool, err error) {
	fail := func(why error) (dnsmessage.Type, Reply, bool, error) {
		return 0, Reply{}, false, fmt.Errorf("dns: %s: %w", word, why)
	}
	name, what, _ := strings.Cut(word, "=")
	name, more = strings.CutSuffix(name, "+")
	kind, ok := kinds[name]
	if !ok {
		return fail(fmt.Errorf("unknown type %q", name))
	}
	parts := strings.Split(what, "+")
	for _, part := range parts[1:] {
		if err := r.parseWord(part); err != nil {
			return fail(err)
		}
	}
	r.Silent, r.Lame = parts[0] == "silent", parts[0] == "lame"
	if r.Code, ok = rcodes[parts[0]]; ok || r.Silent || r.Lame {
		return kind, r, more, nil
	}
	for _, value := range strings.Split(parts[0], ",") {
		body, err := parseRecord(kind, value)
		if err != nil {
			return fail(err)
		}
		r.Records = append(r.Records, body)
	}
	if kind == dnsmessage.TypeCNAME && len(parts)+len(r.Records) != 2 {
		return fail(errors.New("it leads to one name, and is as the reply for that"))
	}
	return kind, r, more, nil
}

var kinds = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "SRV": dnsmessage.TypeSRV, "CNAME": dnsmessage.TypeCNAME,
}

func (r *Reply) parseWord(word string) (err error) {
	key, value, _ := strings.Cut(word, ":")
	switch key {
	case "tc":
		r.Truncated = true
		if value != "" {
			r.Partial, err = strconv.Atoi(value)
		}
	case "owner":
		r.Owner = canonical(value) + "."
	case "asked":
		r.Asked = canonical(value) + "."
	case "id":
		r.WrongID = true
	default:
		r.After, err = time.ParseDuration(word)
	}
	return err
}

func parseRecord(kind dnsmessage.Type, value string) (dnsmessage.ResourceBody, error) {
	switch kind {
	case dnsmessage.TypeSRV:
		var srv dnsmessage.SRVResource
		var target string
		if _, err := fmt.Sscanf(value, "%d/%d/%d/%s", &srv.Priority, &srv.Weight, &srv.Port, &target); err != nil {
			return nil, err
		}
		name, err := dnsmessage.NewName(strings.TrimSuffix(target, ".") + ".")
		srv.Target = name
		return &srv, err
	case dnsmessage.TypeCNAME:
		if canonical(value) == "" {
			return nil, errors.New("it leads to nothing")
		}
		name, err := dnsmessage.NewName(canonical(value) + ".")
		return &dnsmessage.CNAMEResource{CNAME: name}, err
	}
	a, err := netip.ParseAddr(value)
	switch {
	case err != nil:
		return nil, err
	case kind == dnsmessage.TypeA && a.Is4():
		return &dnsmessage.AResource{A: a.As4()}, nil
	case kind == dnsmessage.TypeAAAA && a.Is6():
		return &dnsmessage.AAAAResource{AAAA: a.As16()}, nil
	}
	return nil, errors.New("an address of the other family")
}
