//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "demo: it knows how to make a silent address, and to look for processes, on Linux only")
	os.Exit(1)
}
