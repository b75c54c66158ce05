package helper

import (
	"context"
	"errors"
	"runtime"
	"strings"

	"fdrace/race"
)

// Describe returns what -v says of a winner, as in "192.0.2.1:22 over TCP in
// 20.4 ms, 1 of 2 tried". w.FD is asked, and stays the caller's.
func Describe(w *race.Winner) string { return strings.TrimPrefix(winner(w), "fdrace: ") }

// Explain puts err, with which d's race of targets has ended, into words: what
// happened, what became of each candidate if there are several, and what a
// person might do about it, "" where nothing of that is known.
func Explain(err error, targets []race.Target, d *race.Dialer) (what, hint string) {
	var lost *race.Error
	if !errors.As(err, &lost) {
		return err.Error(), ""
	}
	e := newRaceError(context.Background(), err, targets, d)
	what = e.headline(lost)
	if len(lost.Failures) > 1 {
		what += "; " + strings.Join(e.fold(lost.Failures), "; ")
	}
	return what, e.hint(lost)
}

// ServerLog says in one line what a server logs of a race that passes nothing:
// w has won it, or nobody has.
func ServerLog(w *race.Winner, d *race.Dialer) string {
	switch {
	case d.Banner != "":
		return "the server logs one connection that did not log in: --banner waits for what it says"
	case w == nil:
		return ""
	case len(d.Proxies) > 0 && w.Elapsed >= d.Delay, len(d.Commands) > 0 && w.Elapsed >= d.Fallback, // it was asked
		w.Transport != "tcp" || runtime.GOOS != "linux":
		return "the server may log one connection that did not log in"
	}
	return "the server logs nothing of this: each connection was reset before it was complete"
}
