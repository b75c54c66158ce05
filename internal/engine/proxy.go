package engine

import (
	"errors"
	"slices"
	"time"
)

// Proxies are lanes beside those of the targets. Each connects at once, by all
// addresses of its proxy, and then waits: the proxy is asked for the target when
// the targets' own lanes have failed, or been silent for one Delay. sshd counts
// connections that do not log in towards whoever made them, which would be the
// proxy. For the same reason one proxy at a time is asked.

// A Proxy is a server that connects to Target for the race.
type Proxy struct {
	Kind   ProxyKind
	Server Target // a host name or an address, and a port
	Target Target // what it is asked for, by name if that is a name

	// User and Password are for the proxy, if User is not empty; each has at
	// most 255 bytes. SOCKS4a has no passwords.
	User, Password string
}

// A ProxyKind is a protocol that proxies speak.
type ProxyKind int

const (
	SOCKS5  ProxyKind = iota // RFC 1928
	SOCKS4a                  // for a Target that is not an IPv6 address
	HTTP                     // CONNECT
)

func (k ProxyKind) String() string { return [...]string{"socks5", "socks4a", "http"}[k] }

// ErrNoReply is why a candidate failed whose proxy was asked for the target, and
// has not answered.
var ErrNoReply = errors.New("the proxy has not answered")

// proxies is what a race knows of its proxies.
type proxies struct {
	ready   []*attempt    // connected, and not asked yet
	asked   *attempt      // the last that was asked
	patient time.Duration // until then no other is, if asked has not ended before
}

// hasHandshake reports whether a connection to a is not one to the target before
// something was said.
func (a Addr) hasHandshake() bool { return a.Proxy != nil || a.Socket.Mux }

// reached takes a connection of a to a proxy.
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
	case a.addr.Proxy == nil: // it is a target's own
		a.talk = newHandshake(a)
		return r.converse(a)
	}
	r.sys.Hold(a.fd)
	r.proxies.ready = append(r.proxies.ready, a)
	return false
}

// askDue is when the next proxy is to be asked for the target.
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

// askProxies asks those whose turn it is.
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

// converse goes on with a's handshake.
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

// addProxy adds a lane to p's server.
func (s *schedule) addProxy(p *Proxy) {
	l := s.newLane(p.Server)
	l.proxy = p
	s.proxies.lanes = append(s.proxies.lanes, []*lane{l})
}

// directSilent is when the targets have been silent for so long, or now if they
// have failed.
func (s *schedule) directSilent(long time.Duration) time.Duration {
	switch {
	case s.root.over():
		return 0
	case s.root.started < len(s.root.lanes):
		return never
	}
	return s.root.last + long
}
