package engine

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fdrace/internal/resolve"
)

// A Target is a host to connect to, or one of several names and addresses of a host.
type Target struct {
	Host string // see ParseTarget
	Port uint16
}

// String returns the target as host:port, with brackets around an IPv6
// address: the notation that ParseTarget reads.
func (t Target) String() string {
	if a, ok := t.literal(); ok {
		return netip.AddrPortFrom(a, t.Port).String()
	}
	if _, ok, _ := resolve.ParseSocket(t.Host); ok {
		return t.Host
	}
	if _, ok, _ := resolve.ParseMachine(t.Host); ok {
		return t.Host
	}
	if _, ok, _ := resolve.ParseMAC(t.Host); ok {
		return fmt.Sprintf("%s port %d", t.Host, t.Port)
	}
	return t.Host + ":" + strconv.Itoa(int(t.Port))
}

// literal returns the address that Host is, if it is one. An IPv4-mapped IPv6
// address is the IPv4 address it maps.
func (t Target) literal() (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.Host)
	return a.Unmap(), err == nil
}

// ParseTarget reads "host", "host:port", "192.0.2.1", "192.0.2.1:22",
// "2001:db8::1", "[2001:db8::1]:22", "fe80::1%eth0", "fe80::1" (every link),
// "00:00:5e:00:53:01" (a MAC), "box.local" (mDNS), "_ssh._tcp.example.org"
// (SRV), "unix:/path", "vsock:3" (a virtual machine), "vsock-mux:/path" (one behind
// a multiplexer), "machine/NAME" (as registered with systemd-machined) or ".host"
// (this machine). port is for a target that has no port of its own. The error names
// the word and says what to write instead.
func ParseTarget(word string, port uint16) (Target, error) {
	if _, ok, err := resolve.ParseSocket(word); ok {
		return Target{word, port}, err
	}
	if _, ok, err := resolve.ParseMachine(word); ok {
		return Target{word, port}, err
	}
	if _, ok, err := resolve.ParseMAC(word); ok {
		return Target{word, port}, err
	}
	host, own, hasPort, err := splitPort(word)
	if err != nil {
		return Target{}, err
	}
	if hasPort {
		if port, err = ParsePort(own); err != nil {
			return Target{}, fmt.Errorf("%q: %w", word, err)
		}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if zone, port, ok := strings.Cut(a.Zone(), ":"); ok {
			return Target{}, fmt.Errorf("%q: an IPv6 address with a port is written [%s]:%s", word, a.WithZone(zone), port)
		}
		if err := checkLetters(a.Zone()); err != nil {
			return Target{}, fmt.Errorf("%q: %w", word, err)
		}
		if a := a.Unmap(); a.IsUnspecified() {
			return Target{}, fmt.Errorf("%q: not the address of a host; for this machine write localhost", word)
		} else if !canBeHost(a) {
			return Target{}, fmt.Errorf("%q: no host has this address: it is multicast, broadcast or in 0.0.0.0/8", word)
		}
		if a.Zone() == "0" {
			return Target{}, fmt.Errorf("%q: zone 0 is not an interface; write its name, as in fe80::1%%eth0", word)
		}
		if a.Zone() != "" && !a.IsLinkLocalUnicast() {
			return Target{}, fmt.Errorf("%q: a zone belongs to a link-local address (fe80::...); -B %s chooses the interface", word, a.Zone())
		}
	} else if err := checkName(host); err != nil {
		return Target{}, fmt.Errorf("%q: %w", word, err)
	}
	return Target{Host: host, Port: port}, nil
}

// splitPort splits word into a host and a port. A word with more than one colon and
// no brackets is an IPv6 address, as in ssh_config(5) and getaddrinfo(3).
func splitPort(word string) (host, port string, hasPort bool, err error) {
	if rest, ok := strings.CutPrefix(word, "["); ok {
		host, after, ok := strings.Cut(rest, "]")
		if _, err := netip.ParseAddr(host); !ok || err != nil || !strings.Contains(host, ":") {
			return "", "", false, fmt.Errorf("%q: brackets hold an IPv6 address, as in [2001:db8::1]:22", word)
		}
		port, hasPort = strings.CutPrefix(after, ":")
		if after != "" && !hasPort {
			return "", "", false, fmt.Errorf("%q: after the bracket comes a colon and a port, as in [2001:db8::1]:22", word)
		}
		return host, port, hasPort, nil
	}
	if scheme, rest, ok := strings.Cut(word, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 { // there may be a password before it
			rest = rest[at+1:]
			word = scheme + "://...@" + rest
		}
		return "", "", false, fmt.Errorf("%q: a host is written without %q: %q", word, scheme+"://", strings.TrimRight(rest, "/"))
	}
	if strings.Count(word, ":") == 1 {
		host, port, hasPort = strings.Cut(word, ":")
		return host, port, hasPort, nil
	}
	return word, "", false, nil
}

// ParsePort reads a port number, 1 to 65535 in decimal.
func ParsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '+' {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// checkName rejects names that no resolver can find and that are likely to be a
// mistake. It leaves the rest to the resolver.
func checkName(name string) error {
	_, host, at := strings.Cut(name, "@")
	switch {
	case name == "":
		return fmt.Errorf("a host is missing")
	case at:
		return fmt.Errorf("leave out the user, which is for ssh (User in the Host block): write only %q", host)
	case strings.Contains(name, ":"):
		return fmt.Errorf("not an IPv6 address; one with a port is written [2001:db8::1]:22")
	case strings.HasPrefix(name, "%"):
		return fmt.Errorf("only ssh replaces %%h and the like, in its ssh_config: write a host name or an address")
	case strings.Contains(name, "%"):
		return fmt.Errorf("a zone follows an IPv6 address, as in fe80::1%%eth0")
	case strings.Contains(name, ","):
		return fmt.Errorf("targets are separated by spaces")
	case strings.Trim(name, ".") == "":
		return fmt.Errorf("not a host name: write one such as box or box.example.org")
	case strings.Trim(name, "0123456789.") == "" && strings.Count(name, ".") == 3:
		return fmt.Errorf("not an IPv4 address: each of its four numbers is from 0 to 255, without leading zeros")
	case strings.Trim(name, "0123456789.") == "":
		return fmt.Errorf("not an IPv4 address: write all four numbers, as in 127.0.0.1")
	case len(name) > 254:
		return fmt.Errorf("longer than the 253 characters of a host name (RFC 1035)")
	}
	return checkLetters(name)
}

// checkLetters rejects characters that neither a host name nor the name of an
// interface can have.
func checkLetters(name string) error {
	for _, r := range name {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`/\[]%"'`, r) {
			if r == ' ' {
				return fmt.Errorf("a host name cannot contain a space")
			}
			return fmt.Errorf("a host name cannot contain %q", r)
		}
	}
	return nil
}
