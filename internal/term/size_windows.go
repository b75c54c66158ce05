package term

import "golang.org/x/sys/windows"

// size returns the width of the console that fd is.
func size(fd int) (columns int, terminal bool) {
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(windows.Handle(fd), &info) != nil {
		return 0, false
	}
	return int(info.Window.Right-info.Window.Left) + 1, true
}
