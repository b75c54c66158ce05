//go:build unix && !darwin

package fdpass

import "golang.org/x/sys/unix"

const closeOnExec = unix.MSG_CMSG_CLOEXEC
