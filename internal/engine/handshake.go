package engine

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// A handshake is the exchange with a proxy until that has connected to the target. It reads
// exactly the proxy's bytes: those that follow are from the server, and stay in the socket.
type handshake struct {
	out  []byte // to be sent before anything is read
	done bool

	in   []byte             // the reply so far
	read int                // bytes of all replies so far
	size int                // the length of the reply in bytes, or one of the constants below
	next func([]byte) error // handles the reply: it sends more, expects more, or sets done
}

// These sizes are for replies that end with a delimiter.
const (
	untilNewline   = -1
	untilEmptyLine = -2
)

// maxReply bounds all replies of a proxy together, in bytes: HTTP allows any number of
// interim ones.
const maxReply = 16 << 10

// A ProxyError is a proxy's refusal, in its own terms.
type ProxyError struct {
	// Said is an HTTP status line (with the schemes of a 407), or the meaning of a
	// SOCKS reply code. It has no control characters, and at most 200 bytes of the
	// proxy's own text.
	Said string

	// Login is set if the proxy requires a login that it was not given.
	Login bool
}

func (e *ProxyError) Error() string { return "the proxy said: " + e.Said }

// errProxyClosed is the error of a proxy that closed the connection before its reply was
// complete.
var errProxyClosed = errors.New("closed by the proxy without a reply")

// errNoVsock is the error of a multiplexer that did so, as it does if the virtual machine
// refuses the connection.
var errNoVsock = errors.New("closed without a reply: nothing listens on that vsock port of the machine, or it is not running")

func refusedBy(format string, args ...any) error {
	return &ProxyError{Said: fmt.Sprintf(format, args...)}
}

func wantsLogin(format string, args ...any) error {
	return &ProxyError{Said: fmt.Sprintf(format, args...), Login: true}
}

// send makes h send out, and then pass a reply of size bytes to next.
func (h *handshake) send(out []byte, size int, next func([]byte) error) {
	h.out = out
	h.expect(size, next)
}

func (h *handshake) expect(size int, next func([]byte) error) { h.size, h.next = size, next }

// take handles b, which has been received, and returns how much of it is the proxy's.
func (h *handshake) take(b []byte) (n int, err error) {
	for n < len(b) && !h.done && len(h.out) == 0 {
		if h.size == untilNewline && len(h.in) == 0 && b[n] != 'O' {
			h.done = true // a multiplexer without a reply of its own: this byte is the server's
			return n, nil
		}
		h.in = append(h.in, b[n])
		n++
		h.read++
		if !h.isComplete() {
			if h.read >= maxReply {
				return n, fmt.Errorf("%d bytes of a proxy's reply without an end", maxReply)
			}
			continue
		}
		in := h.in
		h.in = nil
		if err := h.next(in); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (h *handshake) isComplete() bool {
	switch h.size {
	case untilNewline:
		return bytes.HasSuffix(h.in, []byte("\n"))
	case untilEmptyLine:
		if bytes.IndexByte(h.in, '\n') == len(h.in)-1 && httpStatus(string(h.in)) == "" {
			return true // not HTTP: other protocols may not send an empty line
		}
		return bytes.HasSuffix(h.in, []byte("\n\n")) || bytes.HasSuffix(h.in, []byte("\n\r\n"))
	}
	return len(h.in) == h.size
}

// closed returns the error of h when the proxy has closed the connection.
func (h *handshake) closed() error {
	in := string(h.in)
	switch status := httpStatus(in); {
	case h.size == untilNewline:
		return errNoVsock
	case h.size != untilEmptyLine || in == "" || strings.HasPrefix(status, "1") || strings.HasPrefix(status, "2"):
		return errProxyClosed
	case status != "":
		return httpRefusal(in)
	case strings.HasPrefix(in, "HTTP/"):
		return errProxyClosed
	}
	return notHTTP(in)
}

// newHandshake returns the handshake with the proxy or multiplexer of a.
func newHandshake(a *attempt) *handshake {
	h := &handshake{}
	p := a.addr.Proxy
	switch {
	case p == nil:
		h.mux(a.addr.Socket.Port)
	case p.Kind == SOCKS5:
		h.socks5(p)
	case p.Kind == SOCKS4a:
		h.socks4a(p)
	case p.Kind == HTTP:
		h.http(p)
	}
	return h
}

// socks5 starts a handshake of RFC 1928, with the login of RFC 1929 if there is one.
func (h *handshake) socks5(p *Proxy) {
	methods := []byte{5, 1, 0}
	if p.User != "" {
		methods = []byte{5, 2, 0, 2}
	}
	h.send(methods, 2, func(in []byte) error {
		switch {
		case in[0] != 5:
			return notSOCKS(5, in)
		case in[1] == 0:
			h.socks5Request(p)
		case in[1] == 2 && p.User != "":
			login := append([]byte{1, byte(len(p.User))}, p.User...)
			login = append(append(login, byte(len(p.Password))), p.Password...)
			h.send(login, 2, func(in []byte) error {
				if in[1] != 0 {
					return wantsLogin("wrong user name or password (SOCKS5 login status %d)", in[1])
				}
				h.socks5Request(p)
				return nil
			})
		case in[1] == 0xff && p.User == "":
			return wantsLogin("no access without a login (SOCKS5 method 255)")
		default:
			return refusedBy("it requires a kind of login that fdrace does not support (SOCKS5 method %d)", in[1])
		}
		return nil
	})
}

// notSOCKS returns the error for a reply that begins with another byte than those of this
// version of SOCKS.
func notSOCKS(version int, reply []byte) error {
	if strings.HasPrefix("HTTP/", string(reply[:min(len(reply), len("HTTP/"))])) {
		return fmt.Errorf("not a SOCKS%d proxy: it speaks HTTP: write http://HOST:PORT", version)
	}
	return fmt.Errorf("not a SOCKS%d proxy: its reply begins with %#02x", version, reply[0])
}

// socks5Reply returns the meaning of a reply code (RFC 1928 section 6).
func socks5Reply(code int) string {
	replies := [...]string{
		1: "general SOCKS server failure",
		2: "connection not allowed by ruleset",
		3: "network unreachable",
		4: "host unreachable",
		5: "connection refused",
		6: "TTL expired",
		7: "command not supported",
		8: "address type not supported",
	}
	if code >= len(replies) {
		return fmt.Sprintf("SOCKS5 reply %d", code)
	}
	return fmt.Sprintf("%s (SOCKS5 reply %d)", replies[code], code)
}

func (h *handshake) socks5Request(p *Proxy) {
	request := []byte{5, 1, 0}
	switch a, ok := p.Target.literal(); {
	case ok && a.Is4():
		request = append(append(request, 1), a.AsSlice()...)
	case ok:
		request = append(append(request, 4), a.AsSlice()...)
	default:
		request = append(append(request, 3, byte(len(p.Target.Host))), p.Target.Host...)
	}
	request = append(request, byte(p.Target.Port>>8), byte(p.Target.Port))
	h.send(request, 4, func(in []byte) error {
		const port = 2
		switch code := int(in[1]); {
		case in[0] != 5:
			return notSOCKS(5, in)
		case code > 0:
			return refusedBy("%s", socks5Reply(code))
		}
		switch in[3] { // the address that it connects from, which is not needed
		case 1:
			h.expect(4+port, h.finish)
		case 3:
			h.expect(1, func(in []byte) error {
				h.expect(int(in[0])+port, h.finish)
				return nil
			})
		case 4:
			h.expect(16+port, h.finish)
		default:
			return fmt.Errorf("a SOCKS5 reply with an address of type %d", in[3])
		}
		return nil
	})
}

func (h *handshake) finish([]byte) error {
	h.done = true
	return nil
}

// socks4a starts a handshake of SOCKS 4, with a host name in place of the address.
func (h *handshake) socks4a(p *Proxy) {
	request := []byte{4, 1, byte(p.Target.Port >> 8), byte(p.Target.Port)}
	if a, ok := p.Target.literal(); ok && a.Is4() {
		request = append(append(append(request, a.AsSlice()...), p.User...), 0)
	} else {
		request = append(append(append(request, 0, 0, 0, 1), p.User...), 0)
		request = append(append(request, p.Target.Host...), 0)
	}
	h.send(request, 8, func(in []byte) error {
		switch {
		case in[0] != 0:
			return notSOCKS(4, in)
		case in[1] == 90:
			return h.finish(nil)
		case in[1] == 91:
			return refusedBy("request rejected or failed (SOCKS4 reply 91)")
		case in[1] == 92:
			return refusedBy("it cannot reach identd here (SOCKS4 reply 92)")
		case in[1] == 93:
			return refusedBy("identd here names another user (SOCKS4 reply 93)")
		}
		return refusedBy("SOCKS4 reply %d", in[1])
	})
}

// http starts a handshake with CONNECT (RFC 9110 section 9.3.6).
func (h *handshake) http(p *Proxy) {
	to := p.Target.String()
	request := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n"
	if p.User != "" {
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password)) + "\r\n"
	}
	h.send([]byte(request+"\r\n"), untilEmptyLine, h.httpReply)
}

func (h *handshake) httpReply(in []byte) error {
	switch status := httpStatus(string(in)); {
	case strings.HasPrefix(status, "1"): // another reply follows
		return nil
	case strings.HasPrefix(status, "2"):
		return h.finish(nil)
	}
	if err := httpRefusal(string(in)); err != nil {
		return err
	}
	return notHTTP(string(in))
}

func notHTTP(said string) error {
	first, _, _ := strings.Cut(said, "\n")
	return fmt.Errorf("not an HTTP proxy: it said %q", printable(first))
}

// httpStatus returns the status code of a reply, or "".
func httpStatus(reply string) string {
	first, _, _ := strings.Cut(reply, "\n")
	version, rest, _ := strings.Cut(first, " ")
	code, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if !strings.HasPrefix(version, "HTTP/") || len(code) != 3 || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

// httpRefusal returns the error for a reply other than success, or nil if it is not HTTP.
func httpRefusal(reply string) error {
	status := httpStatus(reply)
	if status == "" {
		return nil
	}
	lines := strings.Split(reply, "\n")
	said := printable(lines[0])
	if status != "407" {
		return refusedBy("%s", said)
	}
	var ways []string
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Proxy-Authenticate") {
			ways = append(ways, printable(value))
		}
	}
	if len(ways) > 0 {
		said = printable(said + ": it asks for " + strings.Join(ways, ", or "))
	}
	return wantsLogin("%s", said)
}

// mux starts the handshake by which Firecracker and Cloud Hypervisor connect to a vsock port
// of a virtual machine over a Unix-domain socket.
func (h *handshake) mux(port uint32) {
	h.send(fmt.Appendf(nil, "CONNECT %d\n", port), untilNewline, func(in []byte) error {
		if !strings.HasPrefix(string(in), "OK ") {
			return refusedBy("%q", printable(string(in)))
		}
		return h.finish(nil)
	})
}
