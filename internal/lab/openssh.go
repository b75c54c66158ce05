//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// OpenSSH returns the directory below which another OpenSSH than the system's
// is unpacked, as .ci/openssh10 does it, or "" if the tests run with the
// system's. It is $FDRACE_OPENSSH.
func OpenSSH() string { return os.Getenv("FDRACE_OPENSSH") }

// systemSSH is the ssh that scp and sftp run, wherever they are themselves
// (_PATH_SSH_PROGRAM).
const systemSSH = "/usr/bin/ssh"

// FindSSH returns the absolute path of ssh.
func FindSSH() (string, error) {
	if dir := OpenSSH(); dir != "" {
		return unpacked("usr/bin/ssh")
	}
	path, err := exec.LookPath("ssh")
	if err != nil {
		return "", fmt.Errorf("%w: run `apt-get install openssh-client`", err)
	}
	return filepath.Abs(path)
}

// FindSSHD returns the absolute path of sshd, by which it has to be started. It
// looks also where the PATH of an ordinary user does not.
func FindSSHD() (string, error) {
	if OpenSSH() != "" {
		return unpacked("usr/sbin/sshd")
	}
	for _, name := range []string{"sshd", "/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("sshd: not found: run `apt-get install openssh-server`")
}

// unpacked returns the path of a program below OpenSSH.
func unpacked(name string) (string, error) {
	path := filepath.Join(OpenSSH(), name)
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("FDRACE_OPENSSH=%s: not an absolute path", OpenSSH())
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("FDRACE_OPENSSH: %w: run `sh .ci/openssh10 %s`", err, OpenSSH())
	}
	return path, nil
}

// sessionOptions are the sshd options that name the programs which sshd runs
// for a connection, where it would look for them in the system: sshd-session
// from OpenSSH 9.8 on, and sshd-auth from 10.0 on.
func sessionOptions() (options []string) {
	if OpenSSH() == "" {
		return nil
	}
	for _, program := range [][2]string{{"SshdSessionPath", "sshd-session"}, {"SshdAuthPath", "sshd-auth"}} {
		path := filepath.Join(OpenSSH(), "usr/lib/openssh", program[1])
		if _, err := os.Stat(path); err == nil {
			options = append(options, program[0]+"="+path)
		}
	}
	return options
}

// replaceSSH puts the ssh of OpenSSH over the system's, in the mount namespace
// of the calling thread.
func replaceSSH() error {
	if OpenSSH() == "" {
		return nil
	}
	path, err := FindSSH()
	if err != nil {
		return err
	}
	if _, err := os.Stat(systemSSH); err != nil {
		return nil // nobody would find it there
	}
	if err := unix.Mount(path, systemSSH, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", systemSSH, err)
	}
	return nil
}
