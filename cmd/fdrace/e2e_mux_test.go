//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// muxVerbs are those of the stories of systemd's names.
//
//	mux PATH BEHIND [quiet]   a multiplexer at the Unix socket PATH, as Firecracker has:
//	                          port 22 is the Unix socket BEHIND. It replies OK, unless it
//	                          is quiet. What it is asked is a line of mux.log
//	mux PATH machined         systemd-machined, which knows the container box
func muxVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"mux": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! mux means nothing")
			}
			ts.Check(ts.Value(stateKey{}).(*state).mux(ts, args))
		},
	}
}

// unixServer is a server at a Unix socket.
type unixServer struct {
	net.Listener
	wg sync.WaitGroup
}

func (u *unixServer) Close() error {
	err := u.Listener.Close()
	u.wg.Wait()
	return err
}

func (s *state) mux(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: mux PATH BEHIND [quiet], or mux PATH machined")
	}
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	u := &unixServer{Listener: l}
	s.others = append(s.others, u)
	serve := func(c net.Conn) error { return relayMux(c, args[1], len(args) > 2, ts.MkAbs("mux.log")) }
	if args[1] == "machined" {
		serve = answerMachined
	}
	u.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.wg.Go(func() {
				defer c.Close()
				_ = serve(c) // a client may go at any time
			})
		}
	})
	return nil
}

func relayMux(c net.Conn, behind string, quiet bool, log string) error {
	in := bufio.NewReader(c)
	asked, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	fmt.Fprint(f, asked)
	f.Close()
	if asked != "CONNECT 22\n" {
		return nil // as Firecracker, where nobody listens
	}
	server, err := net.Dial("unix", behind)
	if err != nil {
		return err
	}
	defer server.Close()
	if !quiet {
		fmt.Fprint(c, "OK 1073741824\n")
	}
	go func() {
		_, _ = io.Copy(server, in)
		server.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(c, server)
	return err
}

func answerMachined(c net.Conn) error {
	asked, err := bufio.NewReader(c).ReadString(0)
	if err != nil {
		return err
	}
	answer := `{"error":"io.systemd.Machine.NoSuchMachine"}`
	if strings.Contains(asked, `"io.systemd.Machine.List"`) && strings.Contains(asked, `"box"`) {
		answer = `{"parameters":{"name":"box","class":"container","service":"systemd-nspawn"}}`
	}
	_, err = io.WriteString(c, answer+"\x00")
	return err
}
