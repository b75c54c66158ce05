//go:build unix

package term

import "golang.org/x/sys/unix"

// size returns the width of the terminal that fd is, 0 if it does not say.
func size(fd int) (columns int, terminal bool) {
	s, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(s.Col), true
}
