//go:build unix

package helper

import (
	"fmt"
	"os"
	"strings"
	"time"

	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// If ControlPersist is set, ssh sends the stderr of its helper to /dev/null. This is what
// the log is for: it has every event, the winner, and each error.

// logEnv is the environment variable with the name of the log, if --log is not given.
const logEnv = "FDRACE_LOG"

// logFile is the descriptor of the log, or -1.
var logFile = -1

// openLog opens the log, if there is to be one. If that fails, it prints a warning.
func (o *Options) openLog() {
	name, by := o.Log, "--log"
	if name == "" {
		name, by = os.Getenv(logEnv), logEnv
	}
	if name == "" || logFile >= 0 {
		return
	}
	// O_NONBLOCK: for a FIFO without a reader, open(2) returns an error and does not wait.
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		printErr(fmt.Sprintf("fdrace: %s %s: %v: continuing without a log", by, name, err))
		return
	}
	logFile = fd
}

// logOf returns the file of --log in a command line that has an error elsewhere.
func logOf(args []string) string {
	for i, arg := range args {
		name, value, has := strings.Cut(arg, "=")
		switch {
		case arg == "--":
			return ""
		case name == "--log" && has:
			return value
		case arg == "--log" && i+1 < len(args):
			return args[i+1]
		}
	}
	return ""
}

// logLine appends lines to the log, each with the time and the process ID. It writes each
// line in one call, so that lines of several processes do not mix. It does not block, and
// ignores errors.
func logLine(lines ...string) {
	if logFile < 0 {
		return
	}
	head := time.Now().Format("2006-01-02T15:04:05.000Z07:00")
	for _, line := range lines {
		line = term.Printable(strings.TrimPrefix(line, "fdrace: "))
		_, _ = unix.Write(logFile, fmt.Appendf(nil, "%s fdrace[%d]: %s\n", head, os.Getpid(), line))
	}
}
