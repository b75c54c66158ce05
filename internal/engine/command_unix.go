//go:build unix

package engine

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// children are the processes of commands.
type children struct {
	running map[int]int // process IDs by our end of the socket pair; 0 if the process has ended
	left    []int       // IDs of processes that were sent SIGTERM
}

// run starts c and returns our end of the socket pair.
func (k *kernel) run(c *Command) (fd int, err error) {
	pair, err := socketPair()
	if err != nil {
		return -1, errSocket{os.NewSyscallError("socketpair", err)}
	}
	pid, err := c.Start(pair[1])
	unix.Close(pair[1])
	if err == nil {
		err = unix.SetNonblock(pair[0], true) // Finish undoes it, as for all others
	}
	if err != nil {
		unix.Close(pair[0])
		return -1, err
	}
	if k.children.running == nil {
		k.children.running = map[int]int{}
	}
	fd = pair[0]
	k.children.running[fd] = pid
	k.index[fd] = len(k.polls)
	k.polls = append(k.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	return fd, nil
}

func (k *kernel) Heard(fd int) error {
	const banner = "SSH-"
	events := &k.polls[k.index[fd]].Events
	var buf [256]byte
	n, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	said := buf[:max(n, 0)]
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		*events = unix.POLLIN
		return errNotYet
	case err != nil && err != unix.ECONNRESET: // ECONNRESET is an end, too
		return err
	case bytes.HasPrefix(said, []byte(banner)):
		return nil
	case len(said) == 0:
		return k.exited(fd)
	case !bytes.HasPrefix([]byte(banner), said):
		return fmt.Errorf("not an SSH server: it said %q", printable(string(said)))
	}
	p := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(p, 0); err == nil && p[0].Revents&unix.POLLHUP != 0 {
		return k.exited(fd)
	}
	*events = 0
	return errHalf
}

// exited waits for the process of a command that has closed its end of the pair, and
// returns the error that says how it exited. If it is still running, exited kills it: it
// cannot win any more.
func (k *kernel) exited(fd int) error {
	pid := k.children.running[fd]
	k.children.running[fd] = 0
	switch status, killed := wait(pid); {
	case killed:
		return fmt.Errorf("closed its stdout without a connection")
	case status.Signaled():
		return exitError{signal: int(status.Signal())}
	default:
		return exitError{status: status.ExitStatus()}
	}
}

// wait waits for pid, and kills it if it is still running. SIGSTOP tells: a process that is
// exiting, or that somebody else has killed, does not stop, and status is its own. One that
// waits in the kernel, such as for a file server, may not stop either, and is killed after
// endTime.
func wait(pid int) (status unix.WaitStatus, killed bool) {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		done, err := unix.Wait4(pid, &status, unix.WNOHANG|unix.WUNTRACED, nil)
		switch {
		case err == unix.EINTR:
		case err != nil || done == pid && !status.Stopped():
			return status, false // and pid may be another process by now
		case done == pid || time.Since(began) >= endTime:
			status = kill(pid)
			return status, status.Signal() == unix.SIGKILL
		default:
			_ = unix.Kill(pid, unix.SIGSTOP)
		}
	}
}

// kill kills pid and waits for it.
func kill(pid int) (status unix.WaitStatus) {
	_ = unix.Kill(pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
			return status
		}
	}
}

// dismiss closes our end of a command's pair, and sends the command SIGTERM.
func (k *kernel) dismiss(fd int) {
	if pid := k.children.running[fd]; pid > 0 {
		_ = unix.Kill(pid, unix.SIGTERM)
		k.children.left = append(k.children.left, pid)
	}
	delete(k.children.running, fd)
	unix.Close(fd)
	k.forget(fd)
}

// endTime is how long commands have to exit before they are killed: one that asks for a
// passphrase has turned the terminal's echo off, and must turn it on again.
const endTime = 200 * time.Millisecond

// reap waits for the processes that were sent SIGTERM, and kills them after endTime.
func (k *kernel) reap() {
	for began := time.Now(); time.Since(began) < endTime; time.Sleep(time.Millisecond) {
		k.children.left = slices.DeleteFunc(k.children.left, func(pid int) bool {
			done, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
			return done == pid || err != nil && err != unix.EINTR
		})
		if len(k.children.left) == 0 {
			return
		}
	}
	for _, pid := range k.children.left {
		kill(pid)
	}
	k.children.left = nil
}
