//go:build unix

package helper

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"

	"fdrace/internal/engine"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// A progressLine is the line on a terminal that says what a long race is waiting for. It
// costs nothing before it is drawn for the first time.
type progressLine struct {
	mu    sync.Mutex // the race draws, a signal erases
	fd    int        // the terminal, opened by its first line
	drawn bool
	done  bool
}

// statusLine is the one on stderr.
var statusLine progressLine

// EraseStatus erases the status line, and keeps it from being drawn again. Call it before
// writing to the terminal.
func EraseStatus() { statusLine.erase() }

// draw shows p, and reports whether it can show more.
func (s *progressLine) draw(p engine.Progress) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.fd == 0 && !s.open() {
		return false
	}
	if columns := term.Columns(s.fd); columns > 0 && s.isOurs() {
		s.write("\r" + statusText(p, columns-1) + "\x1b[K") // in the last column some terminals begin a new line
		s.drawn = true
	}
	return true
}

// erase erases the line, and keeps it from being drawn again.
func (s *progressLine) erase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drawn && s.isOurs() {
		s.write("\r\x1b[K")
	}
	s.drawn, s.done = false, true
}

// open reports whether stderr is a terminal that can be drawn on. It opens the terminal
// again, non-blocking: ssh shares the flags of the descriptor itself.
func (s *progressLine) open() bool {
	if term.IsDumb() || term.Columns(2) == 0 {
		return false
	}
	fd, err := unix.Open("/dev/fd/2", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // after su, the terminal belongs to another user
	}
	s.fd = fd
	s.eraseOnSignal()
	return true
}

// isOurs reports whether this process is in the foreground of the terminal.
func (s *progressLine) isOurs() bool {
	group, err := unix.IoctlGetInt(s.fd, unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp() // without job control there is no background
}

// write does not block, not even on a stopped terminal.
func (s *progressLine) write(text string) {
	_, _ = unix.Write(s.fd, []byte(text))
}

// eraseOnSignal erases the line before a signal ends the process.
func (s *progressLine) eraseOnSignal() {
	signals := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	go func() {
		sig := <-signals
		s.erase()
		signal.Reset(sig)
		_ = unix.Kill(unix.Getpid(), sig.(unix.Signal)) // so that the parent sees which signal it was
	}()
}

// statusText returns p in one line of at most width columns.
func statusText(p engine.Progress, width int) string {
	text := fmt.Sprintf("fdrace: %.1f s, %.1f s left", p.At.Seconds(), p.Left.Seconds())
	names := trying(p)
	for n := min(len(names), width/2); n > 0; n-- {
		line := text + ": " + strings.Join(names[:n], ", ")
		if more := len(names) - n; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		if len(line) <= width {
			return line
		}
	}
	return text[:max(0, min(len(text), width))]
}

// trying returns what is under way, each name once, in ASCII, so that each character takes
// one column.
func trying(p engine.Progress) (names []string) {
	seen := map[string]bool{}
	verb := [...]string{engine.Resolve: "looking up ", engine.Start: "trying "}
	for _, e := range p.Trying {
		name := e.Target.Host
		if e.Kind == engine.Start {
			name = e.Addr.String() + fromInterface(e.Interface)
		}
		if seen[name] {
			continue // by the other family, or transport
		}
		seen[name] = true
		names = append(names, verb[e.Kind]+term.ASCII(name))
		verb[e.Kind] = ""
	}
	waiting := "waiting for "
	for _, e := range p.Waiting {
		name := e.Target.Host
		if e.Addr.IsValid() {
			name = e.Addr.String() + fromInterface(e.Interface)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		names = append(names, waiting+term.ASCII(fmt.Sprintf("%s (%s)", name, Reason(e.Err, e.Addr))))
		waiting = ""
	}
	return names
}
