package helper

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ssh sends the stderr of its helper to /dev/null where ControlPersist is set.
// The log is for that: it has every event, what won, and each error.

// logEnv names the log where --log does not.
const logEnv = "FDRACE_LOG"

// logFile is the log, or -1.
var logFile = -1

// openLog opens the log that is wanted, if one is. Where that fails a warning
// is all that comes of it.
func (o *Options) openLog() {
	name, by := o.Log, "--log"
	if name == "" {
		name, by = os.Getenv(logEnv), logEnv
	}
	if name == "" || logFile >= 0 {
		return
	}
	// O_NONBLOCK: a FIFO that nobody reads is an error, and not waited for.
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		say("fdrace: %s %s: %v: going on without a log", by, name, err)
		return
	}
	logFile = fd
}

// record appends text to the log, each line with the time and the process. One
// write a line: those of several processes do not mix.
func record(text string) {
	if logFile < 0 {
		return
	}
	head := time.Now().Format("2006-01-02T15:04:05.000Z07:00")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimPrefix(line, "fdrace: ")
		_, _ = unix.Write(logFile, fmt.Appendf(nil, "%s fdrace[%d]: %s\n", head, os.Getpid(), line)) // nobody is to wait for the log, nor to fail
	}
}
