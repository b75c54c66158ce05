//go:build !unix

package main

import (
	"fmt"
	"os"
)

// Windows cannot pass sockets over a Unix-domain socket, and its ssh cannot receive one.
func main() {
	fmt.Fprintln(os.Stderr, "fdrace: this system's ssh does not support ProxyUseFdpass")
	os.Exit(3)
}
