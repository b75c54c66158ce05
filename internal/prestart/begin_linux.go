//go:build amd64 || arm64

package prestart

import (
	"syscall"
	"unsafe"

	"fdrace/internal/rawsys"

	"golang.org/x/sys/unix"
)

// Link is the linker's option for the entry.
const Link = "-E _fdrace_linux"

const stdout = 1

// State returns "on" if the program began in this package, or else "off" and why.
func State() string {
	switch {
	case mem.disabled:
		return "off: FDRACE_PRESTART=0"
	case mem.begun:
		return "on"
	case !built:
		return "off: not in this build"
	}
	return "off: not linked in"
}

// begin is called by the entry with the stack as the kernel made it: argc, argv, a nil
// pointer, the environment, a nil pointer. It returns if the runtime is needed.
//
//go:nocheckptr
func begin(sp unsafe.Pointer) {
	mem.begun = true
	logs := false
	argc := *(*uintptr)(sp)
	for i := argc + 1; ; i++ {
		p := stackWord(sp, i)
		if p == nil {
			break
		}
		v := text(p)
		mem.disabled = mem.disabled || variable(v, "FDRACE_PRESTART=") == "0"
		logs = logs || variable(v, "FDRACE_LOG=") != "" // only the runtime can write one
		if mem.localDomain == "" {
			mem.localDomain = variable(v, "LOCALDOMAIN=")
		}
		if mem.resOptions == "" {
			mem.resOptions = variable(v, "RES_OPTIONS=")
		}
		if value := variable(v, "GOMAXPROCS="); len(value) > 2 {
			// The runtime allocates 25 KB for each. Two digits are enough.
			*(*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(value)), 2)) = 0
		}
	}
	n := int(argc) - 1
	if n < 1 || n > len(mem.argv) || mem.disabled || logs {
		return
	}
	for i := range mem.argv {
		if i < n {
			mem.argv[i] = text(stackWord(sp, uintptr(i)+1))
		}
	}
	if mem.cmdline.parse(firstArgs(mem.argv[:], n)) && isReady() {
		resetSIGTERM()
		race(&mem.cmdline)
	}
}

// resetSIGTERM makes SIGTERM end the process although the parent ignores it, as the
// runtime does. SIGINT and SIGHUP stay ignored there, too. ssh ignores SIGPIPE for its
// helper, and a SIGPIPE that somebody sends has no effect on the runtime, either.
func resetSIGTERM() {
	var action [4]uintptr // the kernel's struct sigaction: SIG_DFL
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGTERM), uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action[0]), 0, 0)
}

// isReady reports whether stdout is what fdpass.FindSocket looks for, nothing has come
// over it, and stdin and stderr are open. If they are not, the next sockets would take
// their place: the runtime opens /dev/null there. OpenSSH sends nothing, but libssh does
// and takes no descriptor: the runtime says so.
func isReady() bool {
	for fd := range uintptr(3) {
		if _, _, e := syscall.RawSyscall(unix.SYS_FCNTL, fd, unix.F_GETFD, 0); e != 0 {
			return false
		}
	}
	if rawsys.Option(stdout, unix.SO_DOMAIN) != unix.AF_UNIX || rawsys.Option(stdout, unix.SO_TYPE) != unix.SOCK_STREAM {
		return false
	}
	var b byte
	_, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, stdout, uintptr(unsafe.Pointer(&b)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return e == unix.EAGAIN
}

// stackWord returns argument i of the command line or, after the nil pointer, of the
// environment.
//
//go:nocheckptr
func stackWord(sp unsafe.Pointer, i uintptr) *byte {
	return *(**byte)(unsafe.Add(sp, (i+1)*unsafe.Sizeof(sp)))
}

// text returns the string at s, which ends with a NUL byte.
//
//go:nocheckptr
func text(s *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return unsafe.String(s, n)
}

// variable returns the value in v, "NAME=value", if v begins with name, "NAME=", or else
// nothing. If it were inlined, the compiler would leave bounds checks.
//
//go:noinline
func variable(v, name string) (value string) {
	if len(v) < len(name) || v[:len(name)] != name {
		return ""
	}
	return v[len(name):]
}
