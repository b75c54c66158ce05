package mptcp_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// listen is a server on loopback, with MPTCP or without.
func listen(multipath bool) net.Listener {
	var config net.ListenConfig
	config.SetMultipathTCP(multipath)
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func dial(l net.Listener) *net.TCPConn {
	var d net.Dialer
	d.SetMultipathTCP(true)
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// A connection that asks for MPTCP gets it from a server that speaks it, and
// plain TCP, without an error, from one that does not.
func ExampleInUse() {
	for _, multipath := range []bool{true, false} {
		l := listen(multipath)
		c := dial(l)
		yes, err := mptcp.InUse(c)
		fmt.Println(yes, err)
		c.Close()
		l.Close()
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleReadInfo() {
	l := listen(true)
	defer l.Close()
	c := dial(l)
	defer c.Close()
	fmt.Fprint(c, "hello")

	info, err := mptcp.ReadInfo(c)
	if err != nil {
		log.Fatal(err)
	}
	if info.FallenBack {
		fmt.Println("plain TCP")
		return
	}
	for _, s := range info.Subflows {
		fmt.Printf("from %v to %v: %v, %d bytes sent\n", s.Local.Addr(), s.Remote.Addr(), s.State, s.Sent)
	}
	// Output:
	// from 127.0.0.1 to 127.0.0.1: established, 5 bytes sent
}

// A socket of Socket is connected by hand. As an *os.File it can be asked.
func ExampleSocket() {
	l := listen(true)
	defer l.Close()
	fd, err := mptcp.Socket(unix.AF_INET)
	if err != nil {
		fmt.Println("use TCP:", err)
		return
	}
	f := os.NewFile(uintptr(fd), "mptcp") // which closes it
	defer f.Close()
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(fd, to); err != unix.EINPROGRESS && err != nil {
		log.Fatal(err)
	}
	if _, err := l.Accept(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(mptcp.InUse(f))
	// Output: true <nil>
}

// Without an endpoint that has FlagSubflow, a connection has but one path.
func ExampleEndpoints() {
	all, err := mptcp.Endpoints()
	if err != nil {
		log.Fatal(err)
	}
	var paths []string
	for _, e := range all {
		if e.Flags&mptcp.FlagSubflow != 0 {
			paths = append(paths, e.Addr.String())
		}
	}
	fmt.Println("more subflows from:", strings.Join(paths, " "))
}

// What a system prints depends on its set-up; the words of flags do not.
func ExampleFlags() {
	e := mptcp.Endpoint{ID: 3, Flags: mptcp.FlagSubflow | mptcp.FlagBackup}
	fmt.Printf("endpoint %d is for: %v\n", e.ID, e.Flags)
	// Output: endpoint 3 is for: subflow backup
}
