package engine

import (
	"errors"
	"slices"
	"time"
)

// Each proxy has a lane. It connects at once, to any address of its proxy, and then waits: the
// proxy is asked for the target when the lanes of targets have failed, or have been silent
// for one Delay. Otherwise sshd would see connections from the proxy that do not log in, and
// penalize the proxy. For the same reason one proxy is asked at a time.

// A Proxy is a server that connects to Target for the race.
type Proxy struct {
	Kind   ProxyKind
	Server Target // a host name or an address, and a port
	Target Target // what it is asked for; a host name is passed on as it is

	// User and Password are the login at the proxy, unless User is empty; each has at
	// most 255 bytes. SOCKS4a has no passwords.
	User, Password string
}

// A ProxyKind is a proxy protocol.
type ProxyKind int

const (
	SOCKS5  ProxyKind = iota // RFC 1928
	SOCKS4a                  // cannot have an IPv6 address as Target
	HTTP                     // CONNECT
)

func (k ProxyKind) String() string { return [...]string{"socks5", "socks4a", "http"}[k] }

// ErrNoReply marks an attempt whose proxy was asked for the target and has not replied.
var ErrNoReply = errors.New("the proxy has not answered")

// proxies has the attempts that are connections to proxies.
type proxies struct {
	ready   []*attempt    // connected, not asked yet
	asked   *attempt      // the last one that was asked
	patient time.Duration // no other proxy is asked before this time, unless asked ends before
}

// hasHandshake reports whether a connection to a leads to the target only after a handshake
// with something else.
func (a Addr) hasHandshake() bool { return a.Proxy != nil || a.Socket.Mux }

// reached handles a connection of a to a proxy or a multiplexer.
func (r *race) reached(a *attempt) (over bool) {
	err := r.sys.Verify(&r.transports[a.transport], a.fd)
	r.reportConnected(a)
	switch {
	case err != nil:
		r.failed(a, err)
		return false
	case r.won != nil:
		r.cancel(a, nil)
		return false
	case a.addr.Proxy == nil: // a multiplexer, which is asked at once
		a.talk = newHandshake(a)
		return r.converse(a)
	}
	r.sys.Hold(a.fd)
	r.proxies.ready = append(r.proxies.ready, a)
	return false
}

// askDue returns when the next proxy is asked for the target.
func (r *race) askDue() time.Duration {
	p := &r.proxies
	if len(p.ready) == 0 || r.won != nil {
		return never
	}
	due := r.schedule.directSilent(r.schedule.delay)
	if p.asked != nil && !p.asked.ended {
		due = max(due, p.patient)
	}
	if r.gate.turn != nil && r.gate.turn != p.ready[0] {
		due = max(due, r.gate.quiet)
	}
	return due
}

// askProxies asks the proxies whose time has come.
func (r *race) askProxies(now time.Duration) (over bool) {
	for r.askDue() <= now {
		p := &r.proxies
		a := p.ready[0]
		p.ready = slices.Delete(p.ready, 0, 1)
		p.asked, p.patient = a, now+r.schedule.delay
		a.talk = newHandshake(a)
		if over := r.converse(a); over {
			return true
		}
	}
	return false
}

// converse continues the handshake of a.
func (r *race) converse(a *attempt) (over bool) {
	switch err := r.sys.Converse(a.fd, a.talk); err {
	case nil:
		return r.admit(a)
	case errNotYet:
		return false
	default:
		r.failed(a, err)
		return false
	}
}

// addProxy adds a lane for p.
func (s *schedule) addProxy(p *Proxy) {
	l := s.newLane(p.Server)
	l.proxy = p
	s.proxies.lanes = append(s.proxies.lanes, []*lane{l})
}

// directSilent returns when the targets will have been silent for long, or 0 if they have
// failed.
func (s *schedule) directSilent(long time.Duration) time.Duration {
	switch {
	case s.root.over():
		return 0
	case s.root.started < len(s.root.lanes):
		return never
	}
	return s.root.last + long
}
