package resolve

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace is set in the environment of the second run.
const inNamespace = "FDRACE_RESOLVE_NETNS"

// noNetwork says why the tests do not have a network namespace of their own.
var noNetwork error

// TestMain runs all tests in a network namespace, and without root in a user
// namespace: the whole process, because sockets are opened by goroutines on any
// thread. As it is one process, go test -cover counts what these tests reach.
func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) == "" {
		if noNetwork = rerun(); noNetwork == nil {
			panic("unreachable")
		}
	} else if _, noNetwork = exec.LookPath("ip"); noNetwork != nil {
		noNetwork = fmt.Errorf("%w: run `apt-get install iproute2`", noNetwork)
	} else if err := ip("link set lo up"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// rerun runs this program again in a namespace, and exits as it does. It returns if
// the kernel does not allow that.
func rerun() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the process
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: run as root, or set what exists of `sysctl kernel.unprivileged_userns_clone=1`, "+
			"`sysctl kernel.apparmor_restrict_unprivileged_userns=0` and `sysctl user.max_user_namespaces=1000`", err)
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, cmd.ProcessState) // ended by a signal
	os.Exit(1)
	return nil
}

// needNetwork skips a test that changes the network if that is this machine's.
func needNetwork(t *testing.T) {
	t.Helper()
	if noNetwork != nil {
		t.Skip(noNetwork)
	}
}
