//go:build amd64 || arm64

package prestart

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Link is what the linker is told, so that the program begins here.
const Link = "-E _fdrace_linux"

// Environment variables: FDRACE_LOG=FILE asks for a log, and FDRACE_PRESTART=0 to
// begin with the runtime.
const (
	logEnv      = "FDRACE_LOG="
	prestartEnv = "FDRACE_PRESTART="
)

const stdout = 1

// These are environment variables for resolv.conf(5).
var localDomain, resOptions string

// begun says that the program began here, and disabled that it was told not to race.
var begun, disabled bool

// State returns "on" if the program began in this package, or else "off" and why.
func State() string {
	switch {
	case disabled:
		return "off: FDRACE_PRESTART=0"
	case begun:
		return "on"
	case !built:
		return "off: not in this build"
	}
	return "off: not linked in"
}

// begin is where the program begins: sp is the stack as the kernel has made it.
// It returns where the runtime is wanted.
//
//go:nocheckptr
func begin(sp unsafe.Pointer) {
	begun = true
	argc := *(*uintptr)(sp)
	for i := argc + 1; ; i++ {
		p := argument(sp, i)
		if p == nil {
			break
		}
		v := text(p)
		if value, ok := variable(v, prestartEnv); ok && value == "0" {
			disabled = true
			return
		}
		if value, ok := variable(v, logEnv); ok && value != "" {
			return
		}
		if value, ok := variable(v, "LOCALDOMAIN="); ok && localDomain == "" {
			localDomain = value
		}
		if value, ok := variable(v, "RES_OPTIONS="); ok && resOptions == "" {
			resOptions = value
		}
	}
	n := int(argc) - 1
	if n < 1 || n > len(mem.words) {
		return
	}
	for i := range mem.words {
		if i < n {
			mem.words[i] = text(argument(sp, uintptr(i)+1))
		}
	}
	if mem.found.read(cut(mem.words[:], n)) && takesSocket(stdout) {
		race(&mem.found)
	}
}

// argument returns word i of the command line, and after the nil that ends those the
// environment.
//
//go:nocheckptr
func argument(sp unsafe.Pointer, i uintptr) *byte {
	return *(**byte)(unsafe.Add(sp, (i+1)*unsafe.Sizeof(sp)))
}

// text returns the string at s, which ends with a NUL.
//
//go:nocheckptr
func text(s *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return unsafe.String(s, n)
}

// variable returns the value in v, "NAME=value", if v begins with name, "NAME=". The
// compiler is sure of its indices where it is not inlined.
//
//go:noinline
func variable(v, name string) (value string, ok bool) {
	if len(v) < len(name) || v[:len(name)] != name {
		return "", false
	}
	return v[len(name):], true
}

// takesSocket is what fdpass.Socket asks.
func takesSocket(fd uintptr) bool {
	return option(fd, unix.SO_DOMAIN) == unix.AF_UNIX && option(fd, unix.SO_TYPE) == unix.SOCK_STREAM
}
