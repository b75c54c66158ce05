//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == withHosts {
		fmt.Fprintln(os.Stderr, runWithHosts(os.Args[2], os.Args[3:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Only the program that is run sees the file.
func TestHosts(t *testing.T) {
	hosts, err := writeHosts(t.TempDir())
	if err != nil {
		t.Skipf("no mount namespace: run as root, or with kernel.unprivileged_userns_clone=1: %v", err)
	}
	name, args := seeingHosts(hosts, "cat", "/etc/hosts")
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = ownMounts(&syscall.SysProcAttr{})
	seen, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(seen), "\n::1 "+dualName+"\n") {
		t.Errorf("%v: %s", err, seen)
	}
	own, err := os.ReadFile("/etc/hosts")
	if err != nil || strings.Contains(string(own), dualName) {
		t.Errorf("%v: /etc/hosts is %s", err, own)
	}
}
