//go:build unix && !linux

package helper

import "syscall"

func childAttr() *syscall.SysProcAttr { return nil }
