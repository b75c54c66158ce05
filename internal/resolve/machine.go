package resolve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fdrace/internal/term"
)

// runDir is where the system's daemons have their sockets.
var runDir = "/run"

// ParseMachine parses machine/NAME and machine%NAME, as systemd-ssh-proxy(1) does:
// the name of a container or virtual machine that systemd-machined has registered.
// ok reports whether word is of that form, and err what is wrong with the name.
func ParseMachine(word string) (name string, ok bool, err error) {
	for _, prefix := range []string{"machine/", "machine%"} {
		name, ok = strings.CutPrefix(word, prefix)
		if !ok || name == ".host" { // this machine: see ParseSocket
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

// errNoMachine means that no machine is registered under a name.
var errNoMachine = errors.New("no such machine")

// Machine asks the user's systemd-machined, and then the system's, where the sshd of
// the machine with that name listens: on a vsock, with Port 0 in the result, or on the
// Unix socket of a container. When ctx ends, it returns an error that wraps ctx's.
func Machine(ctx context.Context, name string) (Socket, error) {
	userDir := os.Getenv("XDG_RUNTIME_DIR")
	if userDir == "" {
		userDir = filepath.Join(runDir, "user", strconv.Itoa(os.Getuid()))
	}
	s, err := askMachined(ctx, userDir, name)
	if errors.Is(err, errNoMachine) {
		s, err = askMachined(ctx, runDir, name)
	}
	return s, err
}

// A machineReply has the parameters of a reply to Machine.List.
type machineReply struct {
	Class, Service string
	VSockCID       *uint32
}

// askMachined asks the systemd-machined whose socket is below dir.
func askMachined(ctx context.Context, dir, name string) (s Socket, err error) {
	var r machineReply
	err = callVarlink(ctx, filepath.Join(dir, "systemd/machine/io.systemd.Machine"), "io.systemd.Machine.List",
		map[string]any{"name": name}, &r)
	switch {
	case errors.Is(err, varlinkError("io.systemd.Machine.NoSuchMachine")):
		return s, errNoMachine
	case errors.Is(err, errNotRunning):
		return s, fmt.Errorf("%w: systemd-machined does not run, or is older than 257", errNoMachine)
	case err != nil:
		return s, fmt.Errorf("systemd-machined: %w", err)
	}
	return r.socket(dir, name)
}

// socket returns where the machine's sshd listens.
func (r *machineReply) socket(dir, name string) (s Socket, err error) {
	switch {
	case r.Class == "container" && r.Service == "systemd-nspawn":
		s.Path = filepath.Join(dir, "systemd/nspawn/unix-export", name, "ssh")
		return s, checkPath(s.Path, s.Path)
	case r.Class == "container":
		return s, fmt.Errorf("a container of %q, which has no socket for ssh", term.Sanitize(r.Service))
	case r.VSockCID == nil || *r.VSockCID == math.MaxUint32: // VMADDR_CID_ANY
		return s, errors.New("the machine has no vsock")
	}
	s.CID = *r.VSockCID
	return s, nil
}
