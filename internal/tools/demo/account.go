//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// account is the account that logs in to itself. The zero value is an unknown one,
// which may still work.
type account struct {
	name, shell string
	locked      bool
}

// whoami asks getent(1), which knows the accounts of a directory service too.
func whoami() account {
	out, err := exec.Command("getent", "passwd", strconv.Itoa(os.Getuid())).Output()
	fields := strings.Split(strings.TrimSpace(string(out)), ":")
	if err != nil || len(fields) != 7 {
		return account{}
	}
	a := account{name: fields[0], shell: fields[6]}
	shadow, _ := os.ReadFile("/etc/shadow") // root's to read; only root's sshd looks, too
	for line := range strings.Lines(string(shadow)) {
		if strings.HasPrefix(line, a.name+":!") {
			a.locked = true
		}
	}
	return a
}

// mayLogIn returns an error if sshd cannot start a session for the account.
func (a account) mayLogIn() error {
	switch filepath.Base(a.shell) {
	case "nologin", "false":
		return fmt.Errorf("%s cannot log in, its shell is %s: run this as another user", a.name, a.shell)
	}
	return nil
}
