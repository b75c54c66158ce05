package resolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// systemRun is where the system's daemons have their sockets. Tests have another.
var systemRun = "/run"

// ParseMachine reads machine/NAME and machine%NAME, as systemd-ssh-proxy(1) does:
// a container or a virtual machine that systemd-machined knows.
func ParseMachine(word string) (name string, is bool, err error) {
	for _, prefix := range []string{"machine/", "machine%"} {
		name, is = strings.CutPrefix(word, prefix)
		if !is {
			continue
		}
		letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
		if name == "" || len(name) > 64 || strings.Trim(name, letters) != "" || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
			return "", true, fmt.Errorf("%q: a machine is written with its name, as in machine/box (\"machinectl\" lists them)", word)
		}
		return name, true, nil
	}
	return "", false, nil
}

// errNoMachine is a machined's answer that it does not know a name.
var errNoMachine = errors.New("no such machine")

// Machine asks the user's systemd-machined, and then the system's, where the sshd of
// a machine is: behind a vsock, or a Unix socket of a container.
func Machine(ctx context.Context, name string) (Socket, error) {
	user := os.Getenv("XDG_RUNTIME_DIR")
	if user == "" {
		user = filepath.Join(systemRun, "user", strconv.Itoa(os.Getuid()))
	}
	var s Socket
	var err error
	for _, run := range []string{user, systemRun} {
		s, err = askMachined(ctx, run, name)
		if !errors.Is(err, errNoMachine) {
			return s, err
		}
	}
	return s, err
}

// askMachined asks the machined whose socket is below run.
func askMachined(ctx context.Context, run, name string) (s Socket, err error) {
	request, err := json.Marshal(map[string]any{
		"method":     "io.systemd.Machine.List",
		"parameters": map[string]any{"name": name},
	})
	if err != nil {
		return s, err
	}
	answer, err := askDaemon(ctx, filepath.Join(run, "systemd/machine/io.systemd.Machine"), string(request)+"\x00", 0)
	if err == errAbsent {
		return s, fmt.Errorf("%w: systemd-machined does not run, or is older than 257", errNoMachine)
	}
	if err != nil {
		return s, fmt.Errorf("systemd-machined: %w", err)
	}
	var a struct {
		Error      string
		Parameters struct {
			Class, Service string
			VSockCid       *uint32
		}
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return s, fmt.Errorf("systemd-machined: an answer that is not understood: %w", err)
	}
	p := a.Parameters
	switch {
	case a.Error == "io.systemd.Machine.NoSuchMachine":
		return s, errNoMachine
	case a.Error != "":
		return s, fmt.Errorf("systemd-machined: %s", a.Error)
	case p.Class == "container" && p.Service == "systemd-nspawn":
		s.Path = filepath.Join(run, "systemd/nspawn/unix-export", name, "ssh")
		return s, checkPath(s.Path, s.Path)
	case p.Class == "container":
		return s, fmt.Errorf("a container of %s, which has no socket for ssh", p.Service)
	case p.VSockCid == nil || *p.VSockCid == 1<<32-1:
		return s, errors.New("the machine has no vsock")
	}
	s.CID = *p.VSockCid
	return s, nil
}
