package helper

import "syscall"

// childAttr makes the kernel kill a child when the thread that started it ends, and so
// when this process is killed. No thread ends before that: Go ends only those whose
// goroutine has called LockOSThread.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
