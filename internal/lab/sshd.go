//go:build linux

package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SSHD is an OpenSSH server in a host. It has a host key of its own, and lets the user
// log in who runs the test, root or not.
type SSHD struct {
	process *os.Process
	wait    func() error
	ready   chan struct{} // closed when it listens on all its addresses
	silent  chan struct{} // closed when it and its sessions have ended
}

// sshdPatience is long, as the machine may be busy.
const sshdPatience = 10 * time.Second

// StartSSHD starts a server and returns when it listens. The keys are in dir, and are
// made if they are not there yet: host_key, the user's id, authorized_keys, and
// known_hosts, in which the host key is valid for every name. The server's log (LogLevel
// VERBOSE) is appended to dir/sshd.log. If multipath is set, mptcpize runs the server.
// The caller closes it, or the host.
func StartSSHD(h *Host, dir string, multipath bool, at ...netip.AddrPort) (*SSHD, error) {
	return StartSSHDWith(h, dir, multipath, nil, at...)
}

// StartSSHDWith is StartSSHD with options, as KEYWORD=VALUE, that go before the
// lab's own.
func StartSSHDWith(h *Host, dir string, multipath bool, options []string, at ...netip.AddrPort) (*SSHD, error) {
	args, err := sshdArgs(h, dir, options...)
	if err != nil {
		return nil, err
	}
	args = append(args, "-D")
	if multipath {
		args = append([]string{"mptcpize", "run"}, args...)
	}
	for _, a := range at {
		args = append(args, "-o", "ListenAddress="+a.String())
	}
	return startSSHD(h, exec.Command(args[0], args[1:]...), filepath.Join(dir, "sshd.log"), len(at))
}

// ClientConfig returns the lines of an ssh_config that has ssh use the keys of dir, as
// [StartSSHD] makes them, and nothing else of this machine.
func ClientConfig(dir string) string {
	return fmt.Sprintf(`
IdentityFile %[1]s/id
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile %[1]s/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
BatchMode yes
`, dir)
}

// InetSSHD returns the command of a server as that of [StartSSHD], for one connection,
// which is its stdin and stdout.
func InetSSHD(h *Host, dir string) (*exec.Cmd, error) {
	args, err := sshdArgs(h, dir)
	if err != nil {
		return nil, err
	}
	return exec.Command(args[0], append(args[1:], "-i")...), nil
}

// sshdArgs prepares what every server needs, and returns the common command line.
func sshdArgs(h *Host, dir string, options ...string) (args []string, err error) {
	path, err := FindSSHD()
	if err != nil {
		return nil, err
	}
	if err := makeKeys(dir); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		// Without PAM, sshd refuses locked accounts, and some distributions lock
		// root.
		if err := h.File("/etc/shadow", "root:*:1::::::\n"); err != nil {
			return nil, err
		}
	}
	if err := plainShell(h); err != nil {
		return nil, err
	}
	args = []string{path, "-e", "-f", os.DevNull}
	for _, option := range append(append(options, sessionOptions()...),
		"HostKey="+filepath.Join(dir, "host_key"),
		"AuthorizedKeysFile="+filepath.Join(dir, "authorized_keys"),
		"StrictModes=no", // dir is in /tmp
		"PermitRootLogin=yes",
		"PermitTunnel=yes",
		"Subsystem=sftp internal-sftp",
		"PidFile=none",
		"MaxStartups=200", // a story may have a hundred clients at once
		"LogLevel=VERBOSE",
	) {
		args = append(args, "-o", option)
	}
	return args, nil
}

// plainShell empties the files that the account's shell reads before a command: they may
// take a second, or write to stdout.
func plainShell(h *Host) error {
	account, err := user.Current()
	if err != nil {
		return err
	}
	for _, name := range []string{".bashrc", ".zshenv", ".ssh/rc"} {
		path := filepath.Join(account.HomeDir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := h.File(path, ""); err != nil {
			return err
		}
	}
	return nil
}

func startSSHD(h *Host, cmd *exec.Cmd, path string, listeners int) (*SSHD, error) {
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	// The server's processes alone have the pipe's write end.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	cmd.Stderr = w
	wait, err := h.Start(cmd)
	w.Close()
	if err != nil {
		return nil, errors.Join(err, r.Close(), log.Close())
	}
	s := &SSHD{process: cmd.Process, wait: wait, ready: make(chan struct{}), silent: make(chan struct{})}
	go s.listen(r, log, listeners)
	select {
	case <-s.ready:
		return s, nil
	case <-s.silent:
	case <-time.After(sshdPatience):
	}
	said, _ := os.ReadFile(path)
	return nil, errors.Join(fmt.Errorf("sshd does not listen: %s", said), s.Close())
}

// listen copies the server's messages to its log.
func (s *SSHD) listen(r io.ReadCloser, log io.WriteCloser, listeners int) {
	defer close(s.silent)
	defer log.Close()
	defer r.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fmt.Fprintln(log, lines.Text())
		if strings.HasPrefix(lines.Text(), "Server listening on ") {
			if listeners--; listeners == 0 {
				close(s.ready)
			}
		}
	}
}

// Close ends the server, but not its sessions.
func (s *SSHD) Close() error {
	if err := s.process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	s.wait() // how it ended is no news
	return nil
}

// Wait waits, after Close, until the sessions have ended and the log is complete. If a
// client does not end, it returns an error.
func (s *SSHD) Wait() error {
	select {
	case <-s.silent:
		return nil
	case <-time.After(sshdPatience):
		return errors.New("sshd: a session is still there")
	}
}

// makeKeys makes the keys in dir, unless they are there.
func makeKeys(dir string) error {
	in := func(name string) string { return filepath.Join(dir, name) }
	if _, err := os.Stat(in("known_hosts")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range []string{"host_key", "id"} {
		made, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", in(name)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ssh-keygen: %w: %s", err, made)
		}
	}
	if err := os.Rename(in("id.pub"), in("authorized_keys")); err != nil {
		return err
	}
	key, err := os.ReadFile(in("host_key.pub"))
	if err != nil {
		return err
	}
	return os.WriteFile(in("known_hosts"), append([]byte("* "), key...), 0o644)
}
