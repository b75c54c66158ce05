package engine

import (
	"net/netip"

	"fdrace/internal/resolve"
)

// A kind is what a question asks for.
type kind int

const (
	askAAAA    kind = iota // the IPv6 addresses of a name
	askA                   // its IPv4 addresses
	askMAC                 // the addresses behind a MAC
	askLinks               // a link-local address, with the zone of every link
	askSRV                 // the targets that a service stands for
	askMachine             // the socket of a container or a virtual machine
	askNAT64               // the prefixes into which IPv4 is mapped here
)

// family is what the answer is restricted to.
func (k kind) family() Family {
	return [...]Family{askAAAA: IPv6, askA: IPv4, askNAT64: AnyFamily}[k]
}

// isName reports whether k asks for the addresses of a name.
func (k kind) isName() bool { return k == askAAAA || k == askA }

// A question is what one Lookup asks, for one lane.
type question struct {
	lane int
	kind kind
	host string
}

// An answer has what its question asks for, or err. more says that the same
// question will be answered again.
type answer struct {
	question
	addrs    []netip.Addr
	services []resolve.Service
	socket   resolve.Socket
	prefixes []netip.Prefix
	replaces []netip.Addr // of an answer before, where they have not been tried
	err      error
	more     bool
}

// hasResult reports whether a has more than an error.
func (a *answer) hasResult() bool {
	return a.kind.isName() && len(a.addrs) > 0 || len(a.services) > 0
}
