//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"fdrace/internal/lab"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// A row of the table compares a helper with its control, in pairs of runs.
type row struct {
	helper
	control *helper // nc -F of the same address or name
	bare    *helper // for a name: Go that only connects and passes; or nil
	hosts   string  // the file that is /etc/hosts meanwhile; "" for the stage's own
	peak    float64
	rounds  [][3]sample // the helper's, the control's, that of bare
}

// helpers returns a row for everything that this machine has, the control's own first,
// and what is missing and how to install it. The control of a name is nc -F of the same
// name.
func helpers(dir string, s *server, on *stage, others []string) (rows []row, missing []string, err error) {
	nc, err := exec.LookPath("nc")
	if err == nil {
		err = helpKnowsF(nc)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the control is missing: %w (Debian: apt install netcat-openbsd)", err)
	}
	control := &helper{"nc -F", []string{nc, "-F", s.host, s.port}}
	add := func(name string, argv ...string) {
		rows = append(rows, row{helper: helper{name, argv}, control: control})
	}
	add("nc -F, beside itself", control.argv...)

	if c, err := buildC(dir); err != nil {
		missing = append(missing, fmt.Sprintf("static C: %v (Debian: apt install gcc libc6-dev)", err))
	} else {
		add("static C, connect and pass", c, s.host, s.port)
	}
	bare := filepath.Join(dir, "bare")
	if err := buildGo(bare, "fdrace/internal/tools/bench/bare"); err != nil {
		return nil, nil, err
	}
	add("Go, connect and pass", bare, s.host, s.port)
	beside := &helper{"Go, connect and pass", []string{bare, s.host, s.port}}

	linked, err := lab.Build(filepath.Join(dir, "linked"))
	if err != nil {
		return nil, nil, err
	}
	fdrace := filepath.Join(dir, "fdrace")
	if err := install(linked, fdrace); err != nil {
		return nil, nil, err
	}
	add("fdrace, literal", fdrace, s.host, s.port)
	noflags := filepath.Join(dir, "noflags")
	if err := buildGo(noflags, "fdrace/internal/tools/bench/noflags"); err != nil {
		return nil, nil, err
	}
	for i, other := range others {
		path := fmt.Sprintf("%s.other%d", fdrace, i)
		if err := install(other, path); err != nil {
			return nil, nil, err
		}
		add(other+", literal", path, s.host, s.port)
	}
	booted := fdrace + ".booted"
	if err := errors.Join(install(fdrace, booted), forget(booted)); err != nil {
		return nil, nil, err
	}
	add("fdrace, literal, after a boot", booted, s.host, s.port)
	add("fdrace -w 10, literal: Go's runtime starts", fdrace, "-w", "10", s.host, s.port)
	add("fdrace -w 10, literal: without kong", noflags, "-w", "10", s.host, s.port)
	if err := mptcp.Supported(); err != nil {
		missing = append(missing, fmt.Sprintf("fdrace --mptcp: %v (sysctl net.mptcp.enabled=1)", err))
	} else {
		add("fdrace --mptcp", fdrace, "--mptcp", s.host, s.mptcpPort)
	}
	addName := func(what, name, hosts string) {
		rows = append(rows, row{
			helper:  helper{"fdrace, name " + what, []string{fdrace, name, s.port}},
			control: &helper{"nc -F, name " + what, []string{nc, "-F", name, s.port}},
			bare:    beside,
			hosts:   hosts,
		})
	}
	addName("in /etc/hosts", on.listed(), "")
	if on.dns != nil {
		large, err := largeHosts(dir)
		if err != nil {
			return nil, nil, err
		}
		addName(fmt.Sprintf("among %d lines", hostsLines), on.listed(), large)
		addName("by DNS, A", fourName, "")
		addName("by DNS, A and AAAA", dualName, "")
	}
	for _, n := range []int{8, 100, 1000} {
		add(fmt.Sprintf("fdrace, last of %d targets", n), append([]string{fdrace}, s.lastOf(n)...)...)
	}
	if python, script, err := findPython(dir); err != nil {
		missing = append(missing, fmt.Sprintf("Python: %v (Debian: apt install python3)", err))
	} else {
		add("Python, connect and pass", python, script, s.host, s.port)
	}
	return rows, missing, nil
}

// helpKnowsF returns an error if nc is not OpenBSD's, which alone has -F.
func helpKnowsF(nc string) error {
	help, _ := exec.Command(nc, "-h").CombinedOutput() // its exit status says nothing
	if !strings.Contains(string(help), "OpenBSD") {
		return fmt.Errorf("%s is not netcat-openbsd", nc)
	}
	return nil
}

//go:embed testdata/floor.c
var floor []byte

// buildC builds a minimal helper in C: its time is what the machine itself takes.
func buildC(dir string) (path string, err error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "floor")
	if err := os.WriteFile(path+".c", floor, 0o644); err != nil {
		return "", err
	}
	return path, command(exec.Command(cc, "-O2", "-static", "-o", path, path+".c"))
}

// buildGo builds with the options of .ci/build, and installs the file: what the linker
// leaves in the page cache may be slower to run.
func buildGo(path, pkg string) error {
	linked := path + ".linked"
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", linked, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT="+experiment())
	if err := command(c); err != nil {
		return err
	}
	return install(linked, path)
}

// experiment returns the GOEXPERIMENT of .ci/build.
func experiment() string {
	c := exec.Command("go", "env", "GOEXPERIMENT")
	c.Env = append(os.Environ(), "GOEXPERIMENT=nogreenteagc")
	out, _ := c.Output() // which fails where the toolchain knows none of that name
	return strings.TrimSpace(string(out))
}

// install copies as install(1) does, by copy_file_range. A file of one large
// write would run a tenth faster, its code in a huge page, until the next boot.
func install(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// forget drops the file from the page cache, as after a boot: later runs read it from
// the disk, page by page.
func forget(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // a page that is not on the disk stays
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

//go:embed testdata/pass.py
var pass []byte

// findPython returns the interpreter itself, as python3 may be a wrapper.
func findPython(dir string) (python, script string, err error) {
	out, err := exec.Command("python3", "-c", "import sys, socket; socket.send_fds; print(sys.executable)").Output()
	if err != nil {
		return "", "", fmt.Errorf("python3 3.9 or later: %w", err)
	}
	script = filepath.Join(dir, "pass.py")
	return strings.TrimSpace(string(out)), script, os.WriteFile(script, pass, 0o644)
}

func command(c *exec.Cmd) error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", c, err, out)
	}
	return nil
}

// A server accepts and closes, on a port for TCP and one for MPTCP too.
type server struct{ host, port, mptcpPort string }

func serve() (*server, error) {
	s := &server{host: "127.0.0.1"}
	var err error
	if s.port, err = listen(s.host, "0", false); err != nil {
		return nil, err
	}
	// A name's IPv6 address refuses where there is none.
	if _, err := listen("::1", s.port, false); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, err
	}
	s.mptcpPort, err = listen(s.host, "0", true) // falls back to TCP where there is no MPTCP
	return s, err
}

func listen(host, port string, multipath bool) (at string, err error) {
	var c net.ListenConfig
	c.SetMultipathTCP(multipath)
	l, err := c.Listen(context.Background(), "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	go func() {
		for {
			if conn, err := l.Accept(); err == nil {
				conn.Close()
			}
		}
	}()
	_, at, err = net.SplitHostPort(l.Addr().String())
	return at, err
}

// lastOf returns n targets, of which all but the last refuse.
func (s *server) lastOf(n int) []string {
	var words []string
	for i := range n - 1 {
		words = append(words, fmt.Sprintf("127.0.%d.%d", (i+2)>>8, (i+2)&255))
	}
	return append(words, s.host, s.port)
}
