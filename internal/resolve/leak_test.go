package resolve

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// noLeak fails the test if at its end there are goroutines or descriptors that
// were not there when noLeak was called. Call it before anything else.
func noLeak(t *testing.T) {
	t.Helper()
	// The runtime's own descriptors come with the first one that is polled.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	goroutines, fds := runtime.NumGoroutine(), openFDs()
	t.Cleanup(func() {
		// Nothing announces the end of a goroutine that a context runs a function in,
		// or that a fake daemon serves a connection in.
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			left := ""
			if runtime.NumGoroutine() > goroutines {
				all := make([]byte, 1<<16)
				left = "goroutines: " + string(all[:runtime.Stack(all, true)])
			}
			for fd, to := range openFDs() {
				if fds[fd] != to {
					left += " " + fd + ": " + to
				}
			}
			if left == "" {
				return
			}
			if time.Now().After(end) {
				t.Fatal("left open:", left)
			}
		}
	})
}

func openFDs() map[string]string {
	fds := map[string]string{}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		// The one that Glob itself reads is gone by now.
		if to, err := os.Readlink(link); err == nil && !strings.HasPrefix(to, "/proc/") {
			fds[link] = to
		}
	}
	return fds
}
