package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that waits in the kernel, so that only SIGKILL reaches it, is killed.
func TestCommandInKernel(t *testing.T) {
	for name, end := range map[string]func(pid int){
		"its output has ended": func(pid int) {
			if status, killed := wait(pid); !killed {
				t.Errorf("it has ended by itself: %v", status)
			}
		},
		"the race is over": func(pid int) { (&kernel{children: children{left: []int{pid}}}).reap() },
	} {
		t.Run(name, func(t *testing.T) {
			pid := inKernel(t)
			end(pid)
			if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != unix.ECHILD {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// inKernel starts a process that waits in vfork(2) for a child, which waits for a FIFO. The
// child ends with the test, or after a minute.
func inKernel(t *testing.T) (pid int) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("%v; remedy: apt install python3", err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `import os, sys
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 3, sys.argv[1], os.O_RDONLY, 0)])`
	// An os.Process would hold a descriptor until some garbage collection.
	pid, err = syscall.ForkExec(python, []string{"python3", "-c", script, fifo}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	release := func() {
		if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
			f.Close()
		}
	}
	late := time.AfterFunc(time.Minute, release)
	t.Cleanup(func() {
		late.Stop()
		release()
	})
	for began := time.Now(); time.Since(began) < time.Minute; runtime.Gosched() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		children, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		switch {
		case err != nil || err2 != nil:
			kill(pid)
			t.Skipf("%v, %v; remedy: a kernel with CONFIG_PROC_CHILDREN", err, err2)
		case strings.Contains(string(stat), ") D ") && len(children) > 0:
			return pid
		}
	}
	kill(pid)
	t.Skip("signals reach a process in vfork(2) here; remedy: a kernel of Linux's own")
	return 0
}
