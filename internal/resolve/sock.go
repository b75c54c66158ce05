package resolve

import (
	"fmt"
	"strconv"
	"strings"
)

// A Socket is the address of a Unix-domain or vsock socket.
type Socket struct {
	Path string // of a Unix-domain socket; empty for a vsock

	// Mux means that Path leads to all vsock ports of a virtual machine, and that
	// the client names Port in a line of text.
	Mux bool

	CID  uint32 // of the virtual machine
	Port uint32 // of the vsock, not of TCP; 0 if the word has none
}

// maxPath is the longest path in bytes: sun_path has room for 107 and a NUL (unix(7)).
const maxPath = 107

// localSocket is where this machine's own sshd listens (systemd-ssh-generator(8)).
const localSocket = "/run/ssh-unix-local/socket"

// ParseSocket parses unix:/path, vsock:CID and vsock:CID:PORT, and the notation of
// systemd-ssh-proxy(1): unix/run/socket, vsock/CID, vsock-mux/run/socket, in which %
// may stand for the first slash, and .host. ok reports whether word is of one of
// these forms, and err what is wrong with the rest. "unix:22" is not: it is port 22 of the
// host unix.
func ParseSocket(word string) (s Socket, ok bool, err error) {
	if word == ".host" || word == "machine/.host" || word == "machine%.host" {
		s.Path = localSocket
		return s, true, nil
	}
	at := strings.IndexAny(word, ":/%")
	if at < 0 {
		return s, false, nil
	}
	kind, sep, rest := word[:at], word[at], word[at+1:]
	switch {
	case (kind == "unix" || kind == "vsock-mux") && !(sep == ':' && isNumber(rest)):
		if sep != ':' && !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "./") {
			rest = "/" + rest // the slash after unix was the first of the path
		}
		s.Path, s.Mux, err = rest, kind == "vsock-mux", checkPath(word, rest)
		return s, true, err
	case kind == "vsock":
		s, err = parseVsock(word, rest)
		return s, true, err
	}
	return s, false, nil
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func checkPath(word, path string) error {
	switch {
	case !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "./") || strings.HasSuffix(path, "/"):
		return fmt.Errorf("%q: a unix socket is written with its path, as in unix:/run/ssh/socket", word)
	case len(path) > maxPath:
		return fmt.Errorf("%q: the path of a unix socket has at most %d bytes, this has %d", word, maxPath, len(path))
	}
	return nil
}

// parseVsock parses CID or CID:PORT.
func parseVsock(word, rest string) (s Socket, err error) {
	cid, port, hasPort := strings.Cut(rest, ":")
	if s.CID, err = parseUint32(cid); err != nil {
		return s, fmt.Errorf("%q: a vsock is written with the number of its machine, as in vsock:3 or vsock:3:22", word)
	}
	if !hasPort {
		return s, nil
	}
	if s.Port, err = parseUint32(port); err != nil || s.Port == 0 {
		return s, fmt.Errorf("%q: vsock port %q is not a number from 1 to 4294967294", word, port)
	}
	return s, nil
}

// parseUint32 rejects the highest number, which means "any" (vsock(7)).
func parseUint32(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && uint32(n) == 1<<32-1 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

// String returns the notation that ParseSocket parses.
func (s Socket) String() string {
	switch {
	case s.Mux:
		return "vsock-mux:" + s.Path
	case s.Path != "":
		return "unix:" + s.Path
	case s.Port == 0:
		return fmt.Sprintf("vsock:%d", s.CID)
	}
	return fmt.Sprintf("vsock:%d:%d", s.CID, s.Port)
}
