package engine

import (
	"fmt"
	"net/netip"

	"fdrace/internal/resolve"
)

// An Addr is where a candidate is: an IP address and port, or a Socket.
type Addr struct {
	netip.AddrPort
	Socket resolve.Socket // if not zero, AddrPort is
	Proxy  *Proxy         // if not nil, whose address this is

	Command *Command // if not nil, what is to make the connection; AddrPort is not
}

// isSocket reports whether a is not reached by IP, or not by this process.
func (a Addr) isSocket() bool { return a.Command != nil || a.Socket != resolve.Socket{} }

// IsValid reports whether a is anything at all.
func (a Addr) IsValid() bool { return a.isSocket() || a.AddrPort.IsValid() }

// String returns 192.0.2.1:22, [2001:db8::1]:22, unix:/path, vsock:3:22, or
// socks5://192.0.2.3:1080 for a proxy, or the name of a command.
func (a Addr) String() string {
	switch {
	case a.Command != nil:
		return a.Command.Name
	case a.Proxy != nil:
		return a.Proxy.Kind.String() + "://" + a.AddrPort.String()
	case a.Socket.Mux:
		return fmt.Sprintf("vsock-mux:%s port %d", a.Socket.Path, a.Socket.Port)
	case a.Socket.Path != "":
		return "unix:" + a.Socket.Path
	case a.isSocket():
		return fmt.Sprintf("vsock:%d:%d", a.Socket.CID, a.Socket.Port)
	}
	return a.AddrPort.String()
}
