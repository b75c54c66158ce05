//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// sandboxed, in the environment, has the test binary run the program that is its
// arguments, with no MPTCP sockets.
const sandboxed = "FDRACE_SANDBOX"

// sandbox and paths are the verbs of those names:
//
//	paths N                    each MPTCP connection of the near host has N paths,
//	                           soon
//	sandbox NAME               makes NAME a program that runs its arguments under
//	                           a seccomp filter, as a container may have it:
//	                           socket(…, IPPROTO_MPTCP) fails by EPERM
func (s *state) sandbox(_ *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: sandbox NAME")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", sandboxed, self)
	return os.WriteFile(filepath.Join(s.env.WorkDir, "bin", args[0]), []byte(script), 0o755)
}

// enterSandbox does not return.
func enterSandbox(args []string) {
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = forbidMPTCP()
	}
	if err == nil {
		os.Unsetenv(sandboxed)
		err = unix.Exec(path, args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "sandbox:", err)
	os.Exit(1)
}

// forbidMPTCP filters the calls of this thread, and of what it executes.
func forbidMPTCP() error {
	runtime.LockOSThread()
	// Offsets of struct seccomp_data: the number of the call, and the half of
	// its third argument that counts.
	const number, third = 0, 16 + 2*8
	low := uint32(third)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low += 4
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: low},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_MPTCP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Without this it takes a privilege.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w: run on a kernel with CONFIG_SECCOMP_FILTER", errno)
	}
	return nil
}

// paths asks ss, which counts the paths beside the first.
func (s *state) paths(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: paths N")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return eventually(func() (string, error) {
		out, err := exec.Command("ss", "-HMin", "state", "established").Output()
		if err != nil {
			return "", fmt.Errorf("ss: %w", err)
		}
		found := pathsOf(string(out))
		if len(found) > 0 && !slices.ContainsFunc(found, func(n int) bool { return n != want }) {
			return "", nil
		}
		return fmt.Sprintf("MPTCP connections with %v paths: %s", found, out), nil
	})
}

// pathsOf reads ss -Mi: of a connection it prints a line of addresses, and an
// indented one with subflows:N where there are any.
func pathsOf(text string) (list []int) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if line == "" {
			continue
		}
		if !strings.HasPrefix(line, "\t") {
			list = append(list, 1)
		}
		for _, word := range strings.Fields(line) {
			if n, ok := strings.CutPrefix(word, "subflows:"); ok {
				more, _ := strconv.Atoi(n)
				list[len(list)-1] += more
			}
		}
	}
	return list
}
