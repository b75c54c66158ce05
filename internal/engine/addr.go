package engine

import (
	"fmt"
	"net/netip"

	"fdrace/internal/resolve"
	"fdrace/internal/stub"
)

// An Addr is a candidate's address: an IP address and port or, if Socket is set, a
// Unix-domain or vsock socket.
type Addr struct {
	netip.AddrPort
	Socket  resolve.Socket // if not zero, AddrPort is zero
	Proxy   *Proxy         // if not nil, AddrPort is the address of this proxy
	Command *Command       // if not nil, this program connects, and AddrPort is zero
}

// isSocket reports whether the race does not reach a by IP.
func (a Addr) isSocket() bool { return a.Command != nil || a.Socket != resolve.Socket{} }

// IsValid reports whether a is an address.
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

// fromNetip returns a as an address of package stub, with its zone.
func fromNetip(a netip.Addr) (to stub.Addr) {
	to.Is4 = a.Is4()
	if to.Is4 {
		four := a.As4()
		copy(to.IP[:], four[:])
	} else if a.IsValid() {
		to.IP = a.As16()
	}
	copy(to.Zone[:], a.Zone()) // the name of an interface fits: IFNAMSIZ is 16
	return to
}

// toNetip returns a with its zone.
func toNetip(a *stub.Addr) netip.Addr {
	if a.Is4 {
		return netip.AddrFrom4([4]byte(a.IP[:4]))
	}
	addr := netip.AddrFrom16(a.IP)
	if a.Zone[0] != 0 {
		addr = addr.WithZone(a.ZoneString())
	}
	return addr
}

// canBeHost reports whether a can be the address of a host. Block lists answer with
// 0.0.0.0 or ::, which would lead to this machine.
func canBeHost(a netip.Addr) bool {
	s := fromNetip(a)
	return s.CanBeHost()
}
