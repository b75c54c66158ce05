package engine

import (
	"net/netip"

	"fdrace/internal/resolve"
)

// A kind says what a question asks for.
type kind int

const (
	askAAAA    kind = iota // the IPv6 addresses of a name
	askA                   // its IPv4 addresses
	askMAC                 // the addresses of the host with a MAC address
	askLinks               // a link-local address with the zone of each link
	askSRV                 // the targets of an SRV record
	askMachine             // the socket of a container or a virtual machine
	askNAT64               // the NAT64 prefixes of this network (RFC 7050)
)

// family returns the family of the addresses in the answer.
func (k kind) family() Family {
	return [...]Family{askAAAA: IPv6, askA: IPv4, askNAT64: AnyFamily}[k]
}

// isName reports whether k asks for the addresses of a name.
func (k kind) isName() bool { return k == askAAAA || k == askA }

// A question is a lookup for one lane.
type question struct {
	lane int
	kind kind
	host string
}

// An answer has what its question asks for, or err. more says that there will be another
// answer to the same question.
type answer struct {
	question
	addrs    []netip.Addr
	services []resolve.Service
	socket   resolve.Socket
	prefixes []netip.Prefix
	replaces []netip.Addr // addresses of an earlier answer that are not to be tried any more
	err      error
	more     bool
}

// hasResult reports whether a has more than an error.
func (a *answer) hasResult() bool {
	return a.kind.isName() && len(a.addrs) > 0 || len(a.services) > 0
}
