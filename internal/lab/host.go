//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// The main goroutine keeps the main thread. A thread that entered a host exits with its
// goroutine, but the main thread cannot: it would keep the host's namespaces alive, and
// /proc/self would show them.
func init() { runtime.LockOSThread() }

// defaultFiles are what a host has in place of the files of this computer, which may say
// anything. Nobody has the address of the name server.
var defaultFiles = map[string]string{
	"/etc/hosts":       "127.0.0.1 localhost\n::1 localhost\n",
	"/etc/resolv.conf": "nameserver 10.255.255.53\n",
	"/etc/gai.conf":    "",
}

// Host is a machine: a network namespace with lo up, and a mount namespace in which
// files can be replaced. It has a /run of its own, so that no daemon of this computer
// is in reach, and root's sshd finds /run/sshd.
type Host struct {
	Name string

	net, mnt *os.File

	mu    sync.Mutex
	waits []func() error // for the commands that Start started
}

// NewHost makes a host. The caller closes it.
func NewHost(name string) (*Host, error) {
	var h *Host
	err := onThread(func() (err error) {
		h, err = newHost(name)
		return err
	})
	return h, err
}

// Enter makes a host and moves the calling goroutine into it, with every process that
// it starts from now on. The goroutine is locked to its thread, which exits with it: it
// must be one that ends, such as a test's. The caller closes the host.
func Enter(name string) (*Host, error) {
	runtime.LockOSThread()
	return newHost(name)
}

// newHost turns the calling thread, which must be locked, into a new host.
func newHost(name string) (*Host, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("host %s: unshare: %w: %s", name, err, remedy)
	}
	h := &Host{Name: name}
	if err := h.setUp(); err != nil {
		h.Close()
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return h, nil
}

func (h *Host) setUp() (err error) {
	if h.net, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	if h.mnt, err = os.Open("/proc/thread-self/ns/mnt"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.Mkdir("/run/sshd", 0o755); err != nil {
		return err
	}
	if err := replaceSSH(); err != nil {
		return err
	}
	for path, content := range defaultFiles {
		if err := replaceFile(path, content); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for name, value := range map[string]string{
		"ipv4/conf/all/rp_filter":        "0", // several links, one far host: paths may be asymmetric
		"ipv4/conf/default/rp_filter":    "0",
		"ipv4/ip_forward":                "0", // an address nobody has is silent, on every machine
		"ipv6/conf/all/accept_dad":       "0", // addresses are usable at once
		"ipv6/conf/default/accept_dad":   "0",
		"ipv6/conf/default/accept_ra":    "0",
		"ipv6/conf/default/disable_ipv6": "0",
	} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	return h.IP("link set lo up")
}

// onThread calls f on a new thread, which exits afterwards.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := errors.New("lab: the function did not return (t.Fatal inside a host?)")
		defer func() { done <- err }()
		err = f()
	}()
	return <-done
}

// Do calls f on a thread inside the host. Sockets that f makes belong to the host
// wherever they are used; goroutines that it starts are outside.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		// setns(2) requires that the thread shares its root and working directory
		// with no other, and resets both.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("host %s: unshare: %w", h.Name, err)
		}
		if err := unix.Setns(int(h.net.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("host %s: setns: %w", h.Name, err)
		}
		if err := unix.Setns(int(h.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("host %s: setns: %w", h.Name, err)
		}
		if err := unix.Chdir(dir); err != nil {
			return fmt.Errorf("host %s: chdir %s: %w", h.Name, dir, err)
		}
		return f()
	})
}

// Start starts cmd inside the host. wait, which replaces cmd.Wait, may be called any
// number of times, by any goroutine. Closing the host kills what still runs.
func (h *Host) Start(cmd *exec.Cmd) (wait func() error, err error) {
	if err := h.Do(cmd.Start); err != nil {
		return nil, err
	}
	wait = sync.OnceValue(cmd.Wait)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits = append(h.waits, wait)
	return wait, nil
}

// File replaces the file at path in the host, which must exist, by one with that
// content.
func (h *Host) File(path, content string) error {
	return h.Do(func() error { return replaceFile(path, content) })
}

// replaceFile replaces a file in the host that the calling thread is in.
func replaceFile(path, content string) error {
	// /etc/resolv.conf is often a link into /run, which is empty here.
	if to, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	if strings.HasPrefix(path, "/run/") {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(content), 0o644)
	}
	f, err := os.CreateTemp("/run", "file")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	if err := unix.Mount(f.Name(), path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	return nil
}

// IP runs commands of ip(8) in the host, each without the word "ip".
func (h *Host) IP(lines ...string) error {
	return h.feed(strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
}

// feed runs a command inside the host with input on its stdin. The error has what it
// printed on stderr.
func (h *Host) feed(input string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := h.Do(cmd.Run); err != nil {
		return fmt.Errorf("host %s: %s: %w: %s", h.Name, args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

// Close kills every process in the host, also those that its processes
// started, and lets the namespaces go.
func (h *Host) Close() error {
	err := h.killAll()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, wait := range h.waits {
		wait() // how it ended is no news: it was killed
	}
	return errors.Join(err, h.net.Close(), h.mnt.Close())
}

// killAll returns when no process is left in the network namespace.
func (h *Host) killAll() error {
	for {
		pids, err := h.pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := kill(pid); err != nil {
				return fmt.Errorf("host %s: kill %d: %w", h.Name, pid, err)
			}
		}
	}
}

// pids lists the processes in the host's network namespace, but for this one:
// a goroutine that entered the host is no reason to kill the test.
func (h *Host) pids() ([]int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.net.Fd()), &st); err != nil {
		return nil, err
	}
	here := fmt.Sprintf("net:[%d]", st.Ino)
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, link := range links {
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err != nil || pid == os.Getpid() {
			continue
		}
		if ns, err := os.Readlink(link); err == nil && ns == here {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// kill ends a process, which need not be a child, and waits until it has.
func kill(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return restart(func() error {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		return err
	})
}

// restart makes a system call again for as long as a signal, which Go's runtime
// sends itself all the time, interrupts it.
func restart(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
