//go:build unix

package helper

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"fdrace/internal/engine"
)

// Describe returns what -v prints about a winner, such as "192.0.2.1:22 over TCP in
// 20.4 ms, 1 of 2 tried". It looks at w.FD, which stays the caller's.
func Describe(w *engine.Winner) string { return strings.TrimPrefix(winnerLine(w), "fdrace: ") }

// ServerLog says in one line what servers log about a race that passed nothing to ssh: w has
// won it, or lost says why nobody has. It returns "" for a lost race that no server saw.
func ServerLog(w *engine.Winner, lost *engine.Error, d *engine.Dialer) string {
	switch {
	case w == nil:
		return logOfLost(lost)
	case d.HostKey != nil:
		return "the server may log one connection that did not log in, for its host key"
	case d.Banner != "":
		return "the server logs one connection that did not log in, because of --banner"
	case len(d.Proxies) > 0 && w.Elapsed >= d.Delay, len(d.Commands) > 0 && w.Elapsed >= d.Fallback, // it was asked
		w.Transport != "tcp" || runtime.GOOS != "linux":
		return "the server may log one connection that did not log in"
	}
	return logsNothing
}

// ServerLog is the function ServerLog for a race of o. It also takes into account whether a
// host key was checked.
func (o *Options) ServerLog(w *engine.Winner, lost *engine.Error, d *engine.Dialer) string {
	if o.checker == nil || o.checker.started > 0 {
		return ServerLog(w, lost, d)
	}
	unchecked := *d
	unchecked.HostKey = nil
	return ServerLog(w, lost, &unchecked)
}

// Unchecked returns a line that says why --host-key did not check the server of w, or "" if
// it did.
func (o *Options) Unchecked(w *engine.Winner) string {
	if o.checker == nil || w == nil {
		return ""
	}
	return o.checker.unchecked(w)
}

const logsNothing = "the server logs nothing: each connection was reset before it was complete"

// penalty is what OpenSSH 9.8 and later count for a connection that does not log
// in (noauth of PerSourcePenalties in sshd_config(5)). Penalties add up, and above
// 15 s sshd refuses this address.
const penalty = time.Second

// AwaitPardon waits until a server no longer counts a connection that ended at ended, if
// it has seen one; log is the result of ServerLog. So a person can repeat the command that
// made it without having ssh refused.
func AwaitPardon(log string, ended time.Time) {
	if log != "" && log != logsNothing {
		time.Sleep(time.Until(ended.Add(penalty)))
	}
}

// logOfLost is ServerLog for a race that nobody has won.
func logOfLost(lost *engine.Error) string {
	n := 0
	for _, f := range lost.Failures {
		if errors.Is(f.Err, engine.ErrNoBanner) || errors.Is(f.Err, engine.ErrNoReply) || FellBack(f.Err) {
			n++
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "the server may log one connection that did not log in"
	}
	return fmt.Sprintf("the server may log %d connections that did not log in", n)
}
