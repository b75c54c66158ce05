package engine

import "golang.org/x/sys/unix"

// bindToDevice needs no privilege since Linux 5.7.
func bindToDevice(fd int, name string) error {
	return unix.BindToDevice(fd, name)
}
