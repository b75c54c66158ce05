//go:build unix

package engine

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A Unix socket without room for another connection is tried again until there is.
// (Systems other than Linux refuse it.)
func TestKernelBacklog(t *testing.T) {
	noLeak(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := errors.Join(unix.Bind(l, &unix.SockaddrUnix{Name: path}), unix.Listen(l, 0)); err != nil {
		t.Fatal(err)
	}
	for full := false; !full; {
		fd, err := streamSocket(unix.AF_UNIX)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
		case nil:
		case unix.EAGAIN:
			full = true
		default:
			t.Skip(err)
		}
	}
	starts := 0
	d := Dialer{Report: func(e Event) {
		if e.Kind == Start {
			starts++
			fd, _, err := unix.Accept(l)
			if err != nil {
				t.Error(err)
			}
			unix.Close(fd)
		}
	}}
	w, err := d.Dial(context.Background(), Target{Host: "unix:" + path})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(w.FD)
	if starts != 1 || w.Attempts != 1 || w.Elapsed < backlogWait {
		t.Errorf("%d starts, %d attempts, %v", starts, w.Attempts, w.Elapsed)
	}
}
