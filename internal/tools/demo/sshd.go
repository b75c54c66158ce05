//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sshd is a running sshd with a key of its own, which lets nobody in but the
// holder of another key.
type sshd struct {
	pid   int
	made  string // the directory it was missing, "" if none
	said  *said
	end   context.CancelFunc
	ended chan struct{}
}

// startSSHD makes both keys in dir and runs an sshd that listens at addrs. The
// caller stops it.
func startSSHD(ctx context.Context, dir string, me account, addrs []netip.AddrPort) (*sshd, error) {
	for _, name := range []string{"server", "client"} {
		out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "fdrace-demo", "-f", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	config := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(config, []byte(sshdConfig(dir, me, addrs)), 0o600); err != nil {
		return nil, err
	}
	path, err := exec.LookPath("sshd") // sshd itself insists on its full path
	if err != nil {
		return nil, err
	}
	s := &sshd{said: &said{left: len(addrs), ready: make(chan struct{})}, ended: make(chan struct{})}
	if s.made, err = makePrivsepDir(ctx, path, config); err != nil {
		return nil, err
	}
	ctx, s.end = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, path, "-D", "-e", "-f", config)
	cmd.Stderr = s.said
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM} // should the demo be killed
	if err := cmd.Start(); err != nil {
		s.end()
		return nil, errors.Join(err, s.removeDir())
	}
	s.pid = cmd.Process.Pid
	go func() {
		cmd.Wait() // its status says no more than that it was ended
		close(s.ended)
	}()
	select {
	case <-s.said.ready:
		return s, nil
	case <-s.ended:
		err = errors.New("sshd ended at once")
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return nil, errors.Join(err, s.stop(), s.said)
}

// stop ends sshd. Its sessions end with their ssh, and after it or before: this
// process is their reaper (main), since not every container has one.
func (s *sshd) stop() error {
	s.end()
	<-s.ended
	none := make(chan struct{})
	go func() {
		defer close(none)
		for {
			if _, err := unix.Wait4(-1, nil, 0, nil); err == unix.ECHILD {
				return
			}
		}
	}()
	select {
	case <-none:
	case <-time.After(time.Second): // a daemon that the account's shell started is not ours to end
	}
	return s.removeDir()
}

func (s *sshd) removeDir() error {
	if s.made == "" {
		return nil
	}
	return os.Remove(s.made)
}

// said collects the messages of sshd. It is an error that shows why a login failed.
type said struct {
	text  bytes.Buffer
	left  int           // addresses it has still to listen at
	ready chan struct{} // closed when there are none
}

func (s *said) Write(b []byte) (int, error) {
	s.text.Write(b)
	if listening := bytes.Count(b, []byte("Server listening on")); listening > 0 {
		if s.left -= listening; s.left == 0 {
			close(s.ready)
		}
	}
	return len(b), nil
}

func (s *said) Error() string { return "sshd said:\n" + s.text.String() }

func sshdConfig(dir string, me account, addrs []netip.AddrPort) string {
	var b strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&b, "ListenAddress %s\n", a)
	}
	// StrictModes would refuse a key in /tmp.
	fmt.Fprintf(&b, `HostKey "%[1]s/server"
AuthorizedKeysFile "%[1]s/client.pub"
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
PidFile none
`, dir)
	if me.locked {
		b.WriteString("UsePAM yes\n") // without it sshd refuses a locked account its key, too
	}
	return b.String()
}

var missingDir = regexp.MustCompile(`Missing privilege separation directory: (/\S+)`)

// makePrivsepDir makes the directory that sshd needs when root runs it, if it
// is missing: on Debian the service makes it in /run as it starts.
func makePrivsepDir(ctx context.Context, sshd, config string) (made string, err error) {
	out, err := exec.CommandContext(ctx, sshd, "-t", "-f", config).CombinedOutput()
	if err == nil {
		return "", nil
	}
	missing := missingDir.FindSubmatch(out)
	if missing == nil {
		return "", fmt.Errorf("sshd -t: %w: %s", err, out)
	}
	made = string(missing[1])
	return made, os.Mkdir(made, 0o755)
}
