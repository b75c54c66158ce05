package race_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"syscall"
	"time"

	"fdrace/race"
)

// greet says hello to whoever connects to the listener.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(c, "hello")
		c.Close()
	}
}

func port(l net.Listener) uint16 { return uint16(l.Addr().(*net.TCPAddr).Port) }

// Nobody listens on the first address, and the race does not wait for it.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go greet(l)

	var d race.Dialer
	w, err := d.Dial(context.Background(),
		race.Target{Host: "127.0.0.2", Port: port(l)},
		race.Target{Host: "127.0.0.1", Port: port(l)})
	if err != nil {
		log.Fatal(err)
	}
	c, err := w.Conn()
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	said, _ := io.ReadAll(c)
	fmt.Printf("%s says %q over %s\n", w.Addr.Addr(), said, w.Transport)
	// Output: 127.0.0.1 says "hello" over tcp
}

// Events tell what a race does while it lasts.
func ExampleDialer_onEvent() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go greet(l)

	d := race.Dialer{
		Timeout: 5 * time.Second,
		OnEvent: func(e race.Event) { fmt.Println(e.Kind, e.Addr.Addr()) },
	}
	w, err := d.Dial(context.Background(), race.Target{Host: "127.0.0.1", Port: port(l)})
	if err != nil {
		log.Fatal(err)
	}
	w.Close()
	// Output:
	// start 127.0.0.1
	// connected 127.0.0.1
	// won 127.0.0.1
}

// An Error has the reason for each address.
func ExampleError() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	unused := port(l)
	l.Close()

	_, err = new(race.Dialer).Dial(context.Background(), race.Target{Host: "127.0.0.1", Port: unused})
	var lost *race.Error
	if errors.As(err, &lost) {
		for _, f := range lost.Failures {
			fmt.Println(f.Addr.Addr(), f.Err)
		}
	}
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// 127.0.0.1 connection refused
	// true
}

// A program that needs the descriptor, to pass it to another process, takes the file.
func ExampleWinner_File() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go greet(l)

	w, err := new(race.Dialer).Dial(context.Background(), race.Target{Host: "127.0.0.1", Port: port(l)})
	if err != nil {
		log.Fatal(err)
	}
	f, err := w.File()
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	_, err = w.File()
	fmt.Println(f.Fd() > 2, errors.Is(err, os.ErrClosed))
	// Output: true true
}

func ExampleParseTarget() {
	for _, word := range []string{"box.example.org", "[2001:db8::1]:2222", "unix:/run/ssh.sock", "box:ssh"} {
		t, err := race.ParseTarget(word, 22)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(t)
	}
	// Output:
	// box.example.org:22
	// [2001:db8::1]:2222
	// unix:/run/ssh.sock
	// "box:ssh": port "ssh" is not a number from 1 to 65535
}
