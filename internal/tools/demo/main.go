//go:build linux

// Command demo shows fdrace at work on this machine alone: a throwaway sshd on
// loopback, dead addresses listed before the live one, real logins by ssh, and
// no process of fdrace's left while they last. Its argument is the fdrace.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	// What has a Pdeathsig is told of the end of the thread that started it.
	runtime.LockOSThread()
	if len(os.Args) > 3 && os.Args[1] == withHosts {
		fmt.Fprintln(os.Stderr, "demo:", runWithHosts(os.Args[2], os.Args[3:]))
		os.Exit(1)
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo FDRACE")
		os.Exit(2)
	}
	// What sshd leaves behind as it ends becomes ours (Linux 3.4).
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	// SIGPIPE too: sshd has to be ended when nobody reads on.
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("a minute was not enough"))
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	fmt.Println("\nDone. sshd has ended, its keys and config are removed.")
}

func run(ctx context.Context, fdrace string) (err error) {
	me := whoami()
	if err := me.mayLogIn(); err != nil {
		return err
	}
	if fdrace, err = filepath.Abs(fdrace); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fdrace-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	stage, err := setStage()
	defer stage.clear()
	if err != nil {
		return err
	}
	server, err := startSSHD(ctx, dir, me, stage.live)
	if err != nil {
		return err
	}
	defer func() {
		stopped := server.stop()
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			err = errors.Join(err, server.said)
		}
		err = errors.Join(err, stopped)
	}()
	hosts, noHosts := writeHosts(dir)
	scenes, notes := stage.scenes(noHosts)
	config, err := writeConfig(dir, scenes)
	if err != nil {
		return err
	}
	fmt.Printf("A throwaway sshd, process %d, listens at %s.\n", server.pid, join(stage.live))
	fmt.Printf("Keys and config are in %s.\n", dir)
	for _, note := range notes {
		fmt.Println(note)
	}
	for i, s := range scenes {
		fmt.Printf("\n%d. %s\n\n", i+1, s.about)
		for _, line := range s.stanza() {
			fmt.Println("  ", line)
		}
		fmt.Printf("\n   $ ssh -F %s %s\n", config, s.host)
		seen := ""
		if s.name != "" {
			seen = hosts
		}
		if err := logIn(ctx, config, s.host, fdrace, seen); err != nil {
			return err
		}
	}
	return nil
}

// logIn runs ssh to host, and lists the processes beside it during the session. If hosts
// is not empty, ssh sees that file as /etc/hosts.
func logIn(ctx context.Context, config, host, fdrace, hosts string) error {
	const command = `echo "logged in: SSH_CONNECTION is $SSH_CONNECTION"; cat`
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	name, args := "ssh", []string{"-F", config, host, command}
	if hosts != "" {
		name, args = seeingHosts(hosts, append([]string{name}, args...)...)
		attr = ownMounts(attr)
	}
	ssh := exec.CommandContext(ctx, name, args...)
	// SHELL is what ssh runs a ProxyCommand with.
	ssh.Env = append(os.Environ(), "SHELL=/bin/sh", "PATH="+filepath.Dir(fdrace)+":"+os.Getenv("PATH"))
	// A group of its own, which its ProxyCommand is in, too.
	ssh.SysProcAttr = attr
	ssh.Cancel = func() error { return unix.Kill(-ssh.Process.Pid, unix.SIGTERM) }
	ssh.WaitDelay = time.Second
	stdin, err := ssh.StdinPipe() // cat, and with it the session, lasts until it is closed
	if err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	ssh.Stdout, ssh.Stderr = in, in
	err = ssh.Start()
	in.Close()
	if err != nil {
		return err
	}
	looked := errors.New("ssh has not logged in")
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Println("  ", lines.Text())
		if strings.HasPrefix(lines.Text(), "logged in: ") {
			looked = look(ssh.Process.Pid)
			stdin.Close()
		}
	}
	err = ssh.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("ssh: %w", err)
	}
	return looked
}

// look returns an error if any process runs beside ssh during the session.
func look(ssh int) error {
	processes, err := readProcesses()
	if err != nil {
		return err
	}
	for _, p := range processes {
		if p.pid != ssh && (p.parent == ssh || p.group == ssh) {
			return fmt.Errorf("process %d %s stands beside ssh, process %d", p.pid, p.name, ssh)
		}
	}
	fmt.Printf("   meanwhile: ssh is process %d, and no process stands beside it\n", ssh)
	return nil
}

func join(addrs []netip.AddrPort) string {
	var words []string
	for _, a := range addrs {
		words = append(words, a.String())
	}
	return strings.Join(words, " and ")
}
