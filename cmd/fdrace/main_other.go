//go:build !unix

package main

import (
	"fmt"
	"os"
)

// Windows has neither sockets that can be passed nor an ssh that takes one.
func main() {
	fmt.Fprintln(os.Stderr, "fdrace: this system's ssh does not support ProxyUseFdpass")
	os.Exit(3)
}
