//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reexecuted is set in the environment of the second run.
const reexecuted = "FDRACE_LAB_USERNS"

// remedy is for a kernel that lets nobody but root have namespaces: by Debian's
// old switch, by Ubuntu's, which may refuse only what is done inside, or by
// their number.
const remedy = "run as root, or set what exists of `sysctl kernel.unprivileged_userns_clone=1`, " +
	"`sysctl kernel.apparmor_restrict_unprivileged_userns=0` and `sysctl user.max_user_namespaces=10000`"

// Reexec lets people without root use the lab: called first in TestMain, it
// runs the same binary again as the owner of a new user namespace, forwards
// signals, and exits with its status. As root, and in the second run, it returns.
// An error tells why this machine can have no hosts, and what to do about it:
// tests that need them are skipped.
func Reexec() error {
	if os.Geteuid() == 0 || os.Getenv(reexecuted) != "" {
		restoreHangup()
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	caps, err := capabilities()
	if err != nil {
		return err
	}
	uid, gid := os.Getuid(), os.Getgid()
	cmd := &exec.Cmd{
		Path:   self,
		Args:   os.Args,
		Env:    append(os.Environ(), reexecuted+"=1"),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
			AmbientCaps: caps,
			Pdeathsig:   syscall.SIGKILL,
		},
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	if !signal.Ignored(unix.SIGHUP) {
		signal.Notify(signals, unix.SIGHUP)
	}
	if err := cmd.Start(); err != nil {
		signal.Stop(signals)
		return fmt.Errorf("lab: user namespace: %w: %s", err, remedy)
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	err = cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		fmt.Fprintln(os.Stderr, "lab: the test was ended by signal:", status.Signal())
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
	panic("unreachable")
}

// restoreHangup has children start with the default action for SIGHUP, also under
// nohup(1): they inherit a signal that is ignored, and not one that is caught.
func restoreHangup() {
	if signal.Ignored(unix.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
}

// capabilities are all that this kernel knows, as the maker of a user namespace
// has them: made ambient, they are there in ip, nft and the rest as well.
func capabilities() ([]uintptr, error) {
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return nil, err
	}
	last, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8)
	if err != nil {
		return nil, err
	}
	var all []uintptr
	for c := range uintptr(last) + 1 {
		all = append(all, c)
	}
	return all, nil
}
