//go:build unix

package doctor

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// runTimeout bounds the programs that the doctor runs, which should end at once.
const runTimeout = 5 * time.Second

// output is what a program wrote, up to 64 KB to each of stdout and stderr, and how it
// ended.
type output struct {
	out, err string
	code     int  // its exit status; -1 after a signal
	late     bool // it was killed because it still ran after runTimeout
}

// run runs a program with an empty stdin for at most runTimeout. It does not use package
// os/exec, whose initialization would delay every race.
func run(args ...string) (output, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return output{}, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return output{}, err
	}
	return runProcess(r, null, w, os.Environ(), args)
}

// runOnWire runs a program as ssh runs a ProxyCommand from which it expects a
// descriptor: with one Unix socket as stdin and stdout.
func runOnWire(env []string, args ...string) (output, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return output{}, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil { // a deadline needs it
		return output{}, os.NewSyscallError("fcntl", err)
	}
	theirs := os.NewFile(uintptr(ends[1]), "socket")
	return runProcess(os.NewFile(uintptr(ends[0]), "socket"), theirs, theirs, env, args)
}

// runProcess starts a program, and reads its stdout from out. It closes out and
// stdout.
func runProcess(out, stdin, stdout *os.File, env, args []string) (s output, err error) {
	defer out.Close()
	defer stdout.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		return s, err
	}
	defer errR.Close()
	defer errW.Close()
	// It has its own process group, so that its children can be killed with it.
	p, err := os.StartProcess(args[0], args, &os.ProcAttr{
		Env:   env,
		Files: []*os.File{stdin, stdout, errW},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return s, err
	}
	stdout.Close()
	errW.Close()
	end := time.Now().Add(runTimeout)
	kill := time.AfterFunc(runTimeout, func() { unix.Kill(-p.Pid, unix.SIGKILL) })
	errText := make(chan string)
	go func() { errText <- readUntil(errR, end) }()
	s.out = readUntil(out, end)
	s.err = <-errText
	state, err := p.Wait()
	s.late = !kill.Stop()
	if err != nil {
		return s, err
	}
	s.code = state.ExitCode()
	return s, nil
}

// readUntil reads until all writers have closed the other end, or until end. It returns up
// to 64 KB.
func readUntil(f *os.File, end time.Time) string {
	const most = 1 << 16
	if f.SetReadDeadline(end) != nil {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(f, most)) // an error is the end, too
	io.Copy(io.Discard, f)
	return string(text)
}

// firstLine returns the first line that the program wrote, sanitized.
func (s output) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(s.err+s.out), "\n")
	return term.Sanitize(strings.TrimSpace(line))
}

// ending says how the program ended, or returns "" for status 0.
func (s output) ending() string {
	switch {
	case s.late:
		return fmt.Sprintf("still ran after %v", runTimeout)
	case s.code < 0:
		return "was killed by a signal"
	case s.code > 0:
		return fmt.Sprintf("ended with status %d", s.code)
	}
	return ""
}

// find looks for a program in PATH.
func find(name string) (path string, found bool) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if executable(path) == nil {
			return path, true
		}
	}
	return "", false
}

// executable returns an error if a file cannot be run.
func executable(path string) error {
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() {
		return &os.PathError{Op: "run", Path: path, Err: unix.EISDIR}
	}
	if err := unix.Access(path, unix.X_OK); err != nil {
		return &os.PathError{Op: "run", Path: path, Err: err}
	}
	return nil
}
