package resolve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"fdrace/internal/term"
)

// maxReply is the length of the longest reply that is read from a daemon, in bytes. Usual
// replies have fewer than 1000.
const maxReply = 1 << 16

var (
	// errNotRunning means that nobody listens on a daemon's socket.
	errNotRunning = errors.New("not running")

	// errMalformed means that a daemon's reply does not follow its protocol.
	errMalformed = errors.New("malformed reply")
)

// askDaemon sends request to the daemon that listens on the Unix socket at path,
// and returns its reply, up to and without the byte end.
func askDaemon(ctx context.Context, path, request string, end byte) (reply []byte, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNotRunning
	default:
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err = io.WriteString(conn, request); err == nil {
		reply, err = bufio.NewReader(io.LimitReader(conn, maxReply)).ReadBytes(end)
	}
	switch {
	case err == nil:
		return reply[:len(reply)-1], nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(reply) == maxReply:
		return nil, fmt.Errorf("%w of more than %d bytes", errMalformed, maxReply)
	case err == io.EOF:
		return nil, fmt.Errorf("the connection was closed before the reply was complete: %w", io.ErrUnexpectedEOF)
	}
	return nil, err
}

// callVarlink calls a method of the service at path (varlink.org: JSON objects, each
// followed by NUL), and decodes the parameters of the reply into out. A reply that is
// an error is returned as a varlinkError.
func callVarlink(ctx context.Context, path, method string, parameters map[string]any, out any) error {
	request, err := json.Marshal(map[string]any{"method": method, "parameters": parameters})
	if err != nil {
		return err
	}
	reply, err := askDaemon(ctx, path, string(request)+"\x00", 0)
	if err != nil {
		return err
	}
	return parseVarlink(reply, out)
}

// parseVarlink parses one reply without its NUL.
func parseVarlink(reply []byte, out any) error {
	var r struct {
		Error      string
		Parameters json.RawMessage
	}
	err := json.Unmarshal(reply, &r)
	switch {
	case err == nil && r.Error != "":
		return varlinkError(r.Error)
	case err == nil && len(r.Parameters) > 0:
		err = json.Unmarshal(r.Parameters, out)
	}
	if err != nil {
		// The text of err may contain a part of the reply.
		return fmt.Errorf("%w: %s", errMalformed, term.Sanitize(err.Error()))
	}
	return nil
}

// A varlinkError is the name of an error, such as
// io.systemd.Machine.NoSuchMachine.
type varlinkError string

// Error returns the last part of the name.
func (e varlinkError) Error() string {
	name := strings.TrimRight(string(e), ".")
	return "error " + term.Sanitize(name[strings.LastIndexByte(name, '.')+1:])
}
