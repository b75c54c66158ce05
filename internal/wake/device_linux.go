package wake

import "golang.org/x/sys/unix"

// bindToDevice binds fd to an interface. It needs no privilege since Linux 5.7.
func bindToDevice(fd int, name string) { _ = unix.BindToDevice(fd, name) }
