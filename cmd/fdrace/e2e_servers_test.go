//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

func (s *state) far(ts *testscript.TestScript, args []string) error {
	line := strings.Join(args, " ")
	if len(args) > 2 && args[0] == "address" && args[1] == "add" {
		addr, _, _ := strings.Cut(args[2], "/")
		if a, err := netip.ParseAddr(addr); err == nil {
			return lab.FarHost(ts).Configure([]netip.Addr{a}, line)
		}
	}
	return lab.FarHost(ts).IP(line)
}

// daemon keeps what PROG says in daemon.log.
func (s *state) daemon(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: daemon PROG ARG..., or daemon kill PROG")
	}
	if args[0] == "kill" {
		d, ok := s.daemons[args[len(args)-1]]
		if !ok {
			return fmt.Errorf("%q is no daemon of this story", args[1:])
		}
		err := d.cmd.Process.Kill()
		d.wait() // which says that it was killed
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	log, err := os.Create(ts.MkAbs("daemon.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), s.env.Vars, log, log
	wait, err := lab.FarHost(ts).Start(cmd)
	if s.daemons == nil {
		s.daemons = map[string]daemon{}
	}
	s.daemons[args[0]] = daemon{cmd, wait}
	return err
}

// A daemon is a program that runs in the far host.
type daemon struct {
	cmd  *exec.Cmd
	wait func() error
}

// responder speaks Multicast DNS (RFC 6762) on one link, for one name.
type responder struct {
	name  string
	addrs []netip.Addr
	group bool // it answers to the group, and nobody by unicast
	conns []*net.UDPConn
	wg    sync.WaitGroup
}

var mdnsGroups = map[string]*net.UDPAddr{
	"udp4": {IP: net.IPv4(224, 0, 0, 251), Port: 5353},
	"udp6": {IP: net.ParseIP("ff02::fb"), Port: 5353},
}

func (s *state) mdns(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: mdns NAME LINK ADDR... [group]")
	}
	r := &responder{name: args[0] + "."}
	for _, word := range args[2:] {
		if r.group = word == "group"; r.group {
			break
		}
		a, err := netip.ParseAddr(word)
		if err != nil {
			return err
		}
		r.addrs = append(r.addrs, a)
	}
	s.others = append(s.others, r)
	return lab.FarHost(ts).Do(func() error {
		link, err := net.InterfaceByName(args[1])
		if err != nil {
			return err
		}
		for network, group := range mdnsGroups {
			c, err := net.ListenMulticastUDP(network, link, group)
			if err != nil {
				return err
			}
			r.conns = append(r.conns, c)
			to := *group
			if network == "udp6" {
				to.Zone = link.Name
			}
			r.wg.Go(func() { r.serve(c, &to) })
		}
		return nil
	})
}

func (r *responder) Close() (err error) {
	for _, c := range r.conns {
		err = errors.Join(err, c.Close())
	}
	r.wg.Wait()
	return err
}

func (r *responder) serve(c *net.UDPConn, group *net.UDPAddr) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFromUDP(buf)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buf[:n]) != nil || query.Response {
			continue
		}
		if answer, ok := r.answer(query); ok {
			to := from
			if r.group {
				to = group
			}
			c.WriteToUDP(answer, to) // as lossy as UDP is
		}
	}
}

// answer is what section 6.7 says for a legacy query, or section 6 for the
// group. It says nothing of what it does not have.
func (r *responder) answer(query dnsmessage.Message) (packed []byte, ok bool) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	if !r.group {
		m.ID, m.Questions = query.ID, query.Questions
	}
	for _, q := range query.Questions {
		if !strings.EqualFold(q.Name.String(), r.name) {
			continue
		}
		for _, a := range r.addrs {
			var body dnsmessage.ResourceBody = &dnsmessage.AAAAResource{AAAA: a.As16()}
			kind := dnsmessage.TypeAAAA
			if a.Is4() {
				body, kind = &dnsmessage.AResource{A: a.As4()}, dnsmessage.TypeA
			}
			if q.Type == kind {
				head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 120}
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: body})
			}
		}
	}
	packed, err := m.Pack()
	return packed, err == nil && len(m.Answers) > 0
}

// inetd is a socket at which sshd cannot listen, with a server for each
// connection.
type inetd struct {
	listener *os.File
	done     chan error
}

func (s *state) inetd(ts *testscript.TestScript, args []string) error {
	var fd int
	var err error
	switch {
	case len(args) == 2 && args[0] == "unix":
		fd, err = listenAt(unix.AF_UNIX, &unix.SockaddrUnix{Name: ts.MkAbs(args[1])})
	case len(args) == 1 && args[0] == "vsock":
		var port uint32
		if fd, port, err = listenVsock(); err == nil {
			ts.Setenv("VSOCK", strconv.FormatUint(uint64(port), 10))
		}
	default:
		err = errors.New("usage: inetd unix PATH, or inetd vsock")
	}
	if err != nil {
		return err
	}
	far, dir := lab.FarHost(ts), s.env.WorkDir
	sshd, err := lab.InetSSHD(far, dir)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	d := &inetd{os.NewFile(uintptr(fd), "inetd"), make(chan error, 1)}
	s.others = append(s.others, d)
	go func() {
		d.done <- d.serve(func(conn *os.File) error {
			return serveOne(far, exec.Command(sshd.Path, sshd.Args[1:]...), conn, filepath.Join(dir, "sshd.log"))
		})
	}()
	return nil
}

// freePorts are those that listenVsock tries: there is one vsock for all that
// run on this machine.
const freePorts = 100

func listenVsock() (fd int, port uint32, err error) {
	for port = 22022; port < 22022+freePorts; port++ {
		fd, err = listenAt(unix.AF_VSOCK, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: port})
		if !errors.Is(err, unix.EADDRINUSE) {
			return fd, port, err
		}
	}
	return -1, 0, err
}

func listenAt(domain int, at unix.Sockaddr) (fd int, err error) {
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = unix.Bind(fd, at); err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen: %w", err)
	}
	return fd, nil
}

// serve accepts until the listener is closed.
func (d *inetd) serve(one func(*os.File) error) error {
	raw, err := d.listener.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var fd int
		var acceptErr error
		if err := raw.Read(func(listener uintptr) bool {
			fd, _, acceptErr = unix.Accept4(int(listener), unix.SOCK_CLOEXEC)
			return acceptErr != unix.EAGAIN
		}); err != nil {
			return nil // closed
		}
		if acceptErr != nil {
			continue // who asked has gone
		}
		if err := one(os.NewFile(uintptr(fd), "connection")); err != nil {
			return err
		}
	}
}

func serveOne(h *lab.Host, cmd *exec.Cmd, conn *os.File, log string) error {
	defer conn.Close()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = conn, conn, f
	wait, err := h.Start(cmd)
	if err == nil {
		go wait() // it ends with its connection
	}
	return err
}

func (d *inetd) Close() error { return errors.Join(d.listener.Close(), <-d.done) }

// vsockLoops says whether a machine's own vsock answers.
func vsockLoops() bool {
	fd, port, err := listenVsock()
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	c, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(c)
	return unix.Connect(c, &unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: port}) == nil
}
