//go:build unix

package helper

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"fdrace/internal/engine"
)

// Proxies and commands are flags, and never targets: a target may come from a URL (git
// clone ssh://...), which must not choose a proxy.

// Plan returns the targets and the rules of the race that the command line asks for. With
// --no-direct there are no targets, and only proxies and commands race.
func (o *Options) Plan() ([]engine.Target, *engine.Dialer, error) {
	targets, err := o.Targets()
	if err != nil {
		return nil, nil, err
	}
	d, err := o.Dialer()
	if err != nil {
		return nil, nil, err
	}
	if err := o.addProxies(d, targets); err != nil {
		return nil, nil, err
	}
	if err := o.addCommands(d, targets); err != nil {
		return nil, nil, err
	}
	if err := o.addHostKey(d); err != nil {
		return nil, nil, err
	}
	if err := o.addWait(d, targets); err != nil {
		return nil, nil, err
	}
	if !o.NoDirect {
		return targets, d, nil
	}
	switch {
	case len(o.Proxy)+len(o.Jump)+len(o.Or) == 0:
		return nil, nil, errors.New("--no-direct leaves no way to the target: add --proxy, --jump or --or")
	case len(d.Proxies)+len(d.Commands) == 0:
		return nil, nil, errors.New("--no-direct leaves no way to the target: the only jump host is the target itself")
	case len(targets) > 1:
		return nil, nil, fmt.Errorf("--no-direct: only the first target is asked for: leave out %s", targets[1].Host)
	}
	return nil, d, nil
}

// addProxies makes d ask each proxy for the first target that has a name or an
// address.
func (o *Options) addProxies(d *engine.Dialer, targets []engine.Target) error {
	if len(o.Proxy) == 0 {
		if o.ProxyAuth != nil {
			return errors.New("--proxy-auth is for a proxy: add --proxy")
		}
		return nil
	}
	if o.RequireMPTCP {
		return errors.New("--require-mptcp: what a proxy connects is not MPTCP: write --mptcp, which is for the targets alone")
	}
	i := slices.IndexFunc(targets, isNameOrAddress)
	if i < 0 {
		return errors.New("--proxy: a proxy is asked for a host name or an address, and no target is one")
	}
	var login *login
	if o.ProxyAuth != nil {
		var err error
		if login, err = readLogin(*o.ProxyAuth); err != nil {
			return fmt.Errorf("--proxy-auth %s: %w", *o.ProxyAuth, err)
		}
	}
	for _, url := range o.Proxy {
		p, err := parseProxy(url)
		if err == nil {
			p.Target = targets[i]
			err = p.add(login)
		}
		if err != nil {
			return fmt.Errorf("--proxy %s: %w", redact(url), err)
		}
		if !slices.Contains(d.Proxies, p.Proxy) {
			d.Proxies = append(d.Proxies, p.Proxy)
		}
	}
	return nil
}

// isNameOrAddress reports whether t is a host name or an address that means the same on
// other machines as here.
func isNameOrAddress(t engine.Target) bool {
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return !a.IsLinkLocalUnicast()
	}
	return isName(t)
}

// redact returns url without its login.
func redact(url string) string {
	at := strings.LastIndexByte(url, '@')
	if at < 0 {
		return url
	}
	scheme, _, ok := strings.Cut(url, "://")
	if !ok {
		scheme = "..."
	}
	return scheme + "://...@" + url[at+1:]
}

// A login is a user name and a password.
type login struct{ user, password string }

// maxLogin is the maximum length of each in SOCKS5, in bytes (RFC 1929).
const maxLogin = 255

// readLogin reads one line, USER:PASSWORD, from a file that only its owner has access to.
func readLogin(path string) (*login, error) {
	f, err := os.Open(path)
	if err != nil {
		var e *fs.PathError
		errors.As(err, &e)
		return nil, e.Err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read it (mode %04o): run \"chmod 600 %s\"", info.Mode().Perm(), path)
	}
	buf := make([]byte, 1024)
	n, err := f.Read(buf)
	if err != nil {
		return nil, errors.New("it has no line USER:PASSWORD")
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	user, password, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
	if !ok || user == "" || len(user) > maxLogin || len(password) > maxLogin {
		return nil, errors.New("it has no line USER:PASSWORD")
	}
	return &login{user, password}, nil
}

type proxy struct{ engine.Proxy }

// add gives p the login of --proxy-auth if it has none of its own. It returns an error if
// the protocol of p does not support its login or its target.
func (p *proxy) add(l *login) error {
	if l != nil && p.User == "" {
		p.User, p.Password = l.user, l.password
	}
	a, err := netip.ParseAddr(p.Target.Host)
	switch {
	case p.Kind == engine.SOCKS4a && p.Password != "":
		return errors.New("SOCKS4a has no passwords: write socks5")
	case p.Kind == engine.SOCKS4a && err == nil && !a.Unmap().Is4():
		return fmt.Errorf("SOCKS4a has no IPv6 addresses such as %s: write socks5", p.Target.Host)
	case p.Kind == engine.HTTP && strings.Contains(p.User, ":"):
		return errors.New("a user name has no : in HTTP (RFC 7617)")
	}
	return nil
}

// parseProxy reads SCHEME://[USER[:PASSWORD]@]HOST[:PORT]. Its errors do not contain the
// login.
func parseProxy(url string) (p proxy, err error) {
	scheme, rest, ok := strings.Cut(url, "://")
	port := uint16(1080)
	switch strings.ToLower(scheme) {
	case "socks5", "socks5h":
	case "socks4a":
		p.Kind = engine.SOCKS4a
	case "http":
		p.Kind, port = engine.HTTP, 3128
	case "https":
		return p, errors.New("TLS to a proxy would need a relay, which fdrace is not: write http:// if the proxy accepts that")
	default:
		ok = false
	}
	if !ok {
		return p, errors.New("write socks5://HOST[:PORT], socks4a://HOST[:PORT] or http://HOST[:PORT]")
	}
	rest = strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		rest = rest[at+1:]
		var ok1, ok2 bool
		p.User, ok1 = unescape(user)
		p.Password, ok2 = unescape(password)
		if !ok1 || !ok2 || p.User == "" || len(p.User) > maxLogin || len(p.Password) > maxLogin || strings.ContainsRune(p.User, 0) {
			return p, errors.New("write USER:PASSWORD before the @, with %25 for a %")
		}
	}
	p.Server, err = engine.ParseTarget(rest, port)
	if err != nil {
		return p, err
	}
	if a, err := netip.ParseAddr(p.Server.Host); err != nil && !isNameOrAddress(p.Server) || err == nil && a.IsLinkLocalUnicast() && a.Zone() == "" {
		return p, fmt.Errorf("%q: a proxy is a host name or an address", p.Server.Host)
	}
	return p, nil
}

// unescape decodes percent-encoding (RFC 3986 section 2.1). ok is false if it is malformed.
func unescape(text string) (plain string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}
