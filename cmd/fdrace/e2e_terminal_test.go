//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminalVerbs are those of the stories of what a person's terminal shows.
//
//	terminal [-w COLUMNS] [-then WHAT] [-type PROMPT TEXT]... PROG ARG...
//	                           runs PROG on a terminal, and prints all that was
//	                           written to it, an escape as \e. The file screen
//	                           has what it shows in the end. When the status
//	                           line is first drawn, WHAT is done: ^C or ^S is
//	                           typed, or INT, TERM, HUP or KILL, a colon and the
//	                           name of a program is a signal for it. When a
//	                           PROMPT has been written, its TEXT is typed.
func terminalVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"terminal": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! terminal means nothing")
			}
			ts.Check(ts.Value(stateKey{}).(*state).terminal(ts, args))
		},
	}
}

func (s *state) terminal(ts *testscript.TestScript, args []string) error {
	width, then := 80, ""
	var prompts [][2]string
	for len(args) > 3 && (args[0] == "-w" || args[0] == "-then" || args[0] == "-type") {
		if args[0] == "-type" {
			prompts = append(prompts, [2]string{args[1], args[2]})
			args = args[1:]
		} else if args[0] == "-then" {
			then = args[1]
		} else if n, err := strconv.Atoi(args[1]); err == nil {
			width = n
		}
		args = args[2:]
	}
	if len(args) == 0 {
		return errors.New("usage: terminal [-w COLUMNS] [-then WHAT] PROG ARG...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(s.env.Vars, "TERM=xterm")
	if strings.Contains(args[0], "/") {
		cmd.Path = ts.MkAbs(args[0])
	}
	keys, err := openTerminal(cmd, width)
	if err != nil {
		return err
	}
	defer keys.Close()

	var all []byte
	answered := 0 // of all, what prompts were looked for in
	done := false
	for buf := make([]byte, 4096); ; {
		n, err := keys.Read(buf)
		all = append(all, buf[:n]...)
		if !done && then != "" && bytes.Contains(all, []byte("s left")) {
			done = true
			if err := s.doTo(ts, keys, then); err != nil {
				return err
			}
		}
		for len(prompts) > 0 {
			at := bytes.Index(all[answered:], []byte(prompts[0][0]))
			if at < 0 {
				break
			}
			answered += at + len(prompts[0][0])
			if _, err := keys.WriteString(prompts[0][1] + "\n"); err != nil {
				return err
			}
			prompts = prompts[1:]
		}
		if errors.Is(err, unix.EIO) { // nobody has the terminal open any more
			break
		} else if err != nil {
			return err
		}
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
		return err
	}
	if len(prompts) > 0 {
		return fmt.Errorf("nobody asked %q: %q", prompts[0][0], all)
	}
	if then != "" && !done {
		return fmt.Errorf("no status line: %q", all)
	}
	escapes := strings.NewReplacer("\x1b", `\e`, "\r\n", "\n", "\r", `\r`)
	fmt.Fprintf(ts.Stdout(), "%s\nended: %v\n", escapes.Replace(string(all)), cmd.ProcessState)
	shows, err := screen(string(all), width)
	if err != nil {
		return fmt.Errorf("%w: %q", err, all)
	}
	return os.WriteFile(ts.MkAbs("screen"), []byte(shows), 0o644)
}

// doTo types, or sends a signal.
func (s *state) doTo(ts *testscript.TestScript, keys *os.File, what string) error {
	if key, ok := strings.CutPrefix(what, "^"); ok {
		_, err := keys.Write([]byte{key[0] &^ 0x40})
		return err
	}
	sig, prog, _ := strings.Cut(what, ":")
	return s.signal(ts, []string{sig, prog})
}

// openTerminal starts cmd on a terminal of its own, and returns the other end.
func openTerminal(cmd *exec.Cmd, width int) (*os.File, error) {
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*os.File, error) {
		keys.Close()
		return nil, err
	}
	fd := int(keys.Fd()) // which has it block
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return fail(fmt.Errorf("TIOCSPTLCK: %w", err))
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return fail(fmt.Errorf("TIOCGPTPEER: %w", errno))
	}
	tty := os.NewFile(peer, "terminal")
	defer tty.Close()
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(width)}); err != nil {
		return fail(fmt.Errorf("TIOCSWINSZ: %w", err))
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	return keys, nil
}

var colors = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// screen is what a terminal shows that all was written to. It knows as much of
// one as the program does, and fails at the rest.
func screen(all string, width int) (string, error) {
	all = colors.ReplaceAllString(all, "")
	lines := [][]byte{nil}
	at := 0
	for all != "" {
		line := &lines[len(lines)-1]
		switch {
		case strings.HasPrefix(all, "\x1b[K"):
			*line = (*line)[:min(at, len(*line))]
			all = all[3:]
			continue
		case all[0] == '\r':
			at = 0
		case all[0] == '\n':
			lines = append(lines, nil)
		case all[0] < ' ' || all[0] > '~':
			return "", fmt.Errorf("no screen shows %q", all)
		case at >= width:
			lines, at = append(lines, nil), 0
			continue
		default:
			for at >= len(*line) {
				*line = append(*line, ' ')
			}
			(*line)[at] = all[0]
			at++
		}
		all = all[1:]
	}
	return string(bytes.Join(lines, []byte("\n"))), nil
}
