//go:build linux

package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
)

// proxyVerbs are those of the stories of proxies.
//
//	proxy ADDR:PORT [MANNER...]  a proxy of the far host that speaks SOCKS5, SOCKS4a and
//	                             CONNECT. It may reply by single bytes (bytes), together
//	                             with what the server says first (joined), never
//	                             (silent) or with a refusal (refuses); it may ask for
//	                             USER:PASSWORD (login USER:PASSWORD). A request is a line
//	                             of proxy.log
func proxyVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"proxy": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! proxy means nothing")
			}
			ts.Check(ts.Value(stateKey{}).(*state).proxy(ts, args))
		},
	}
}

// scripted is a proxy with a manner.
type scripted struct {
	bytes, joined, silent, refuses bool
	login                          string

	host     *lab.Host
	listener net.Listener
	mu       sync.Mutex
	log      *os.File
	open     map[net.Conn]bool
	wg       sync.WaitGroup
}

func (s *state) proxy(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: proxy ADDR:PORT [MANNER...]")
	}
	at, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	p := &scripted{host: lab.FarHost(ts), open: map[net.Conn]bool{}}
	for words := args[1:]; len(words) > 0; words = words[1:] {
		switch words[0] {
		case "bytes":
			p.bytes = true
		case "joined":
			p.joined = true
		case "silent":
			p.silent = true
		case "refuses":
			p.refuses = true
		case "login":
			if len(words) < 2 {
				return errors.New("login: which?")
			}
			words = words[1:]
			p.login = words[0]
		default:
			return fmt.Errorf("proxy: unknown word %q", words[0])
		}
	}
	if err := p.host.Address(at.Addr()); err != nil {
		return err
	}
	if p.log, err = os.OpenFile(ts.MkAbs("proxy.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	if err := p.host.Do(func() (err error) {
		p.listener, err = net.Listen("tcp", at.String())
		return err
	}); err != nil {
		return err
	}
	s.others = append(s.others, p)
	p.wg.Go(p.accept)
	return nil
}

func (p *scripted) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
	return errors.Join(err, p.log.Close())
}

func (p *scripted) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.track(c)
		p.wg.Go(func() {
			defer p.forget(c)
			_ = p.serve(c) // a client may go at any time
		})
	}
}

func (p *scripted) track(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
}

func (p *scripted) forget(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// reply writes text as p does.
func (p *scripted) reply(c net.Conn, text string) error {
	if !p.bytes {
		_, err := io.WriteString(c, text)
		return err
	}
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond) // longer than the client takes to read it
	}
	return nil
}

// replies are those of one protocol: success, and a refusal.
type replies struct{ yes, no string }

func (p *scripted) serve(c net.Conn) error {
	in := bufio.NewReader(c)
	first, err := in.Peek(1)
	if err != nil {
		return err
	}
	var kind, to string
	var r replies
	switch first[0] {
	case 5:
		kind, r = "socks5", replies{"\x05\x00\x00\x03\x05proxy\x04\xd2", "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"}
		to, err = p.socks5(c, in)
	case 4:
		kind, r = "socks4a", replies{"\x00\x5a\x00\x00\x00\x00\x00\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"}
		to, err = p.socks4a(in)
	default:
		kind, r = "http", replies{"HTTP/1.1 200 OK\r\nVia: proxy\r\n\r\n", "HTTP/1.1 403 Not for you\r\nContent-Length: 0\r\n\r\n"}
		to, err = p.connect(c, in)
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	fmt.Fprintf(p.log, "%s %s\n", kind, to)
	p.mu.Unlock()
	switch {
	case p.silent:
		_, err = io.Copy(io.Discard, c)
		return err
	case p.refuses:
		return p.reply(c, r.no)
	}
	var server net.Conn
	if err := p.host.Do(func() (err error) {
		server, err = net.Dial("tcp", to)
		return err
	}); err != nil {
		return p.reply(c, r.no)
	}
	p.track(server)
	defer p.forget(server)
	said := make([]byte, 512)
	n := 0
	if p.joined {
		if n, err = server.Read(said); err != nil {
			return err
		}
	}
	if err := p.reply(c, r.yes+string(said[:n])); err != nil {
		return err
	}
	p.wg.Go(func() {
		_, _ = io.Copy(server, in)
		server.(*net.TCPConn).CloseWrite()
	})
	_, err = io.Copy(c, server)
	return err
}

func (p *scripted) socks5(c net.Conn, in *bufio.Reader) (to string, err error) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(in, b)
		}
		return b
	}
	methods := string(read(int(read(2)[1])))
	switch {
	case p.login == "":
		err = errors.Join(err, p.reply(c, "\x05\x00"))
	case !strings.Contains(methods, "\x02"):
		return "", errors.Join(errors.New("no login"), p.reply(c, "\x05\xff"))
	default:
		err = errors.Join(err, p.reply(c, "\x05\x02"))
		user := string(read(int(read(2)[1])))
		if user+":"+string(read(int(read(1)[0]))) != p.login {
			return "", errors.Join(errors.New("wrong login"), p.reply(c, "\x01\x01"))
		}
		err = errors.Join(err, p.reply(c, "\x01\x00"))
	}
	switch kind := read(4)[3]; kind {
	case 1:
		to = netip.AddrFrom4([4]byte(read(4))).String()
	case 4:
		to = netip.AddrFrom16([16]byte(read(16))).String()
	default:
		to = string(read(int(read(1)[0])))
	}
	port := read(2)
	return net.JoinHostPort(to, strconv.Itoa(int(port[0])<<8|int(port[1]))), err
}

func (p *scripted) socks4a(in *bufio.Reader) (to string, err error) {
	head := make([]byte, 8)
	if _, err = io.ReadFull(in, head); err != nil {
		return "", err
	}
	if _, err = in.ReadString(0); err != nil { // the user
		return "", err
	}
	to = netip.AddrFrom4([4]byte(head[4:])).String()
	if strings.HasPrefix(to, "0.0.0.") {
		to, err = in.ReadString(0)
		to = strings.TrimSuffix(to, "\x00")
	}
	return net.JoinHostPort(to, strconv.Itoa(int(head[2])<<8|int(head[3]))), err
}

func (p *scripted) connect(c net.Conn, in *bufio.Reader) (to string, err error) {
	login := ""
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimSpace(line)
		if words := strings.Fields(line); len(words) == 3 && words[0] == "CONNECT" {
			to = words[1]
		}
		if encoded, ok := strings.CutPrefix(line, "Proxy-Authorization: Basic "); ok {
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return "", err
			}
			login = string(decoded)
		}
		if line == "" {
			break
		}
	}
	if login != p.login {
		no := "HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=\"lab\"\r\n\r\n"
		return "", errors.Join(errors.New("no login"), p.reply(c, no))
	}
	return to, nil
}
