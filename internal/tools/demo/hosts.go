//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// dualName is a name with both loopback addresses, for the demo's ssh only.
const dualName = "dual.example"

// withHosts is the first argument of a demo that runs another program, which sees the
// file in the second argument as /etc/hosts.
const withHosts = "with-hosts"

// runWithHosts replaces this process, which has a mount namespace of its own.
func runWithHosts(hosts string, argv []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount /: %w", err)
	}
	if err := unix.Mount(hosts, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /etc/hosts: %w", err)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, argv, os.Environ())
}

// writeHosts writes a file like /etc/hosts that also has dualName. It returns an error
// if this machine does not let the demo use it, for instance in a container.
func writeHosts(dir string) (path string, err error) {
	path = filepath.Join(dir, "hosts")
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return "", err
	}
	hosts = fmt.Appendf(hosts, "\n%s %s\n%s %s\n", loopback4, dualName, loopback6, dualName)
	if err := os.WriteFile(path, hosts, 0o644); err != nil {
		return "", err
	}
	name, args := seeingHosts(path, "true")
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = ownMounts(&syscall.SysProcAttr{})
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w %s", err, out)
	}
	return path, nil
}

// seeingHosts returns the command that runs argv so. It needs ownMounts.
func seeingHosts(hosts string, argv ...string) (name string, args []string) {
	return "/proc/self/exe", append([]string{withHosts, hosts}, argv...)
}

// ownMounts has a command start in a mount namespace of its own. An ordinary user needs a
// user namespace for that, and keeps only the capability to mount.
func ownMounts(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	attr.Cloneflags |= unix.CLONE_NEWNS
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	return attr
}
