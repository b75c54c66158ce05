//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"fdrace/internal/lab"

	"golang.org/x/sys/unix"
)

// sessions are real logins, over loopback, to a real sshd.
type sessions struct {
	dir string // of keys, config and zeros
	ssh string
	at  netip.AddrPort
}

// A way is how ssh gets its connection: the options for that.
type way struct {
	name    string
	options []string
}

func (s *sessions) ways(fdrace, nc string) []way {
	return []way{
		{"ssh alone", nil},
		{"fdrace", []string{"-o", "ProxyCommand=" + fdrace + " -- %h %p", "-o", "ProxyUseFdpass=yes"}},
		{"nc -F", []string{"-o", "ProxyCommand=" + nc + " -F %h %p", "-o", "ProxyUseFdpass=yes"}},
		{"nc, which relays", []string{"-o", "ProxyCommand=" + nc + " %h %p"}},
	}
}

// A session is one run of ssh, until it and all processes that it started have ended.
type session struct {
	took   time.Duration
	cpu    time.Duration // ssh's and its helper's
	beside []process     // what ran beside ssh when half of the data was there
}

type process struct {
	name string
	mb   float64 // resident
}

// startSessions starts an sshd on the stage. Closing the stage stops it.
func startSessions(s *stage, dir string) (*sessions, error) {
	ssh, err := lab.FindSSH()
	if err != nil {
		return nil, err
	}
	in := &sessions{dir: dir, ssh: ssh, at: netip.MustParseAddrPort("127.0.0.1:2222")}
	if err := plainShell(s.host); err != nil {
		return nil, err
	}
	if _, err := lab.StartSSHD(s.host, dir, false, in.at); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("Host box\nHostName %s\nPort %d\n", in.at.Addr(), in.at.Port()) + lab.ClientConfig(dir)
	return in, os.WriteFile(in.path("config"), []byte(config), 0o600)
}

// plainShell makes /bin/sh every user's shell in the host. Others, such as bash, read
// files of the user first, and that would be measured, too.
func plainShell(h *lab.Host) error {
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	shells := regexp.MustCompile(`(?m):[^:\n]*$`)
	return h.File("/etc/passwd", shells.ReplaceAllString(string(passwd), ":/bin/sh"))
}

func (s *sessions) path(name string) string { return filepath.Join(s.dir, name) }

// run executes remote on box, which writes size bytes.
func (s *sessions) run(w way, size int64, remote ...string) (r session, err error) {
	argv := append(append([]string{s.ssh, "-F", s.path("config")}, w.options...), append([]string{"box"}, remote...)...)
	out, theirs, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer out.Close()
	errs, err := os.OpenFile(s.path("stderr"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		theirs.Close()
		return r, err
	}
	defer errs.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		theirs.Close()
		return r, err
	}
	defer null.Close()
	start := time.Now()
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   append(os.Environ(), "SHELL=/bin/sh"), // by which ssh runs the ProxyCommand
		Files: []uintptr{null.Fd(), theirs.Fd(), errs.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	theirs.Close()
	if err != nil {
		return r, err
	}
	got, err := io.CopyN(io.Discard, out, size/2)
	if size > 0 && err == nil {
		r.beside, err = others(pid)
	}
	rest, e := io.Copy(io.Discard, out)
	status, e2 := r.reap(pid)
	r.took = time.Since(start)
	err = errors.Join(err, e, e2)
	if err == nil && (status != 0 || got+rest != size) {
		said, _ := os.ReadFile(errs.Name())
		err = fmt.Errorf("%s: status %d, %d bytes: %s", w.name, status.ExitStatus(), got+rest, bytes.TrimSpace(said))
	}
	return r, err
}

// reap waits for ssh and for the processes that it left behind, as their subreaper, and
// adds up their CPU time.
func (r *session) reap(ssh int) (status syscall.WaitStatus, err error) {
	for {
		var one syscall.WaitStatus
		var used syscall.Rusage
		switch pid, err := syscall.Wait4(-ssh, &one, 0, &used); {
		case err == syscall.EINTR:
			continue
		case err == syscall.ECHILD:
			return status, nil
		case err != nil:
			return status, err
		case pid == ssh:
			status = one
		}
		r.cpu += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
}

// others lists the processes of ssh's process group, without ssh itself.
func others(ssh int) (list []process, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		head, tail, _ := strings.Cut(string(text), ") ")
		pid, name, _ := strings.Cut(head, " (")
		f := strings.Fields(tail) // state, ppid, pgrp, ... rss is the 22nd
		if len(f) < 22 || f[2] != strconv.Itoa(ssh) || pid == strconv.Itoa(ssh) {
			continue
		}
		pages, err := strconv.Atoi(f[21])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, process{name, float64(pages*os.Getpagesize()) / 1e6})
	}
	return list, nil
}

// show prints how long a login takes each way, and what a large answer costs.
func (s *sessions) show(ways []way, logins int, mb int64) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	all, err := s.rounds(ways, 1, logins, 0, "true")
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nssh box true\tms\tmore than alone, ms\tCPU, ms")
	for i, way := range ways {
		var took, more, cpu []float64
		for n, r := range all[i] {
			took, cpu = append(took, ms(r.took)), append(cpu, ms(r.cpu))
			more = append(more, ms(r.took-all[0][n].took))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", way.name, quartiles(took), quartiles(more), quartiles(cpu))
	}
	if err := w.Flush(); err != nil || mb == 0 {
		return err
	}
	const rounds = 3
	size := mb << 20
	zeros, err := os.Create(s.path("zeros"))
	if err != nil {
		return err
	}
	if err := errors.Join(zeros.Truncate(size), zeros.Close()); err != nil {
		return err
	}
	if all, err = s.rounds(ways, 0, rounds, size, "cat", zeros.Name()); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nssh box cat, %d MiB\tMB/s\ttimes ssh alone\tCPU, s\ttimes ssh alone\tbeside ssh meanwhile\n", mb)
	for i, way := range ways {
		var speed, ratio, cpu, more []float64
		for n, r := range all[i] {
			speed = append(speed, float64(size)/1e6/r.took.Seconds())
			ratio = append(ratio, all[0][n].took.Seconds()/r.took.Seconds())
			cpu = append(cpu, r.cpu.Seconds())
			more = append(more, r.cpu.Seconds()/all[0][n].cpu.Seconds())
		}
		beside := "nothing"
		for _, p := range all[i][0].beside {
			beside = fmt.Sprintf("%s, %.1f MB", p.name, p.mb)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", way.name, quartiles(speed), quartiles(ratio), quartiles(cpu), quartiles(more), beside)
	}
	return w.Flush()
}

// rounds runs each way n times, in turn, after warmUp rounds that do not count.
func (s *sessions) rounds(ways []way, warmUp, n int, size int64, remote ...string) ([][]session, error) {
	all := make([][]session, len(ways))
	for round := range warmUp + n {
		for k := range ways {
			i := (k + round) % len(ways)
			r, err := s.run(ways[i], size, remote...)
			if err != nil {
				return nil, err
			}
			if round >= warmUp {
				all[i] = append(all[i], r)
			}
		}
	}
	return all, nil
}
