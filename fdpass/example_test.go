//go:build unix

package fdpass_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"fdrace/fdpass"

	"golang.org/x/sys/unix"
)

// One process passes the reading end of a pipe, another receives it: here both are this
// one. A ProxyCommand sends over its stdout, and ssh receives.
func Example() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}

	if err := fdpass.Send(pair[0], int(r.Fd())); err != nil {
		log.Fatal(err)
	}
	r.Close() // the receiver has a descriptor of its own
	fd, err := fdpass.Receive(pair[1])
	if err != nil {
		log.Fatal(err)
	}
	passed := os.NewFile(uintptr(fd), "pipe")
	defer passed.Close()

	fmt.Fprint(w, "hello")
	w.Close()
	said, _ := io.ReadAll(passed)
	fmt.Printf("%s\n", said)
	// Output: hello
}
