//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Banner is the identification string of the lab's SSH servers (RFC 4253 section 4.2).
const Banner = "SSH-2.0-lab\r\n"

// Behavior is what a server does with a connection. The zero value accepts, reads and
// sends nothing.
type Behavior struct {
	Greeting    string
	After       time.Duration // before the greeting
	ClientFirst bool          // the greeting waits for the client's first byte
	Echo        bool          // after the greeting, everything comes back
	Close       bool          // a FIN follows the greeting
	MPTCP       bool          // the listener accepts MPTCP
}

// Server is a TCP server.
type Server struct {
	behavior Behavior
	ln       net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu      sync.Mutex
	conns   []Conn
	changed chan struct{} // closed and replaced when conns changes
}

// Conn is a connection that the server has accepted.
type Conn struct {
	From netip.AddrPort
	At   time.Time // of accept
	Got  int       // bytes
	End  End
}

// End is how the client closed a connection.
type End string

const (
	Open  End = "open" // still
	ByFIN End = "fin"
	ByRST End = "rst"
)

// Serve starts a server in the host. The caller closes it.
func Serve(h *Host, at netip.AddrPort, b Behavior) (*Server, error) {
	s := &Server{behavior: b, changed: make(chan struct{})}
	var config net.ListenConfig
	config.SetMultipathTCP(b.MPTCP)
	err := h.Do(func() (err error) {
		s.ln, err = config.Listen(context.Background(), "tcp", at.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.accept)
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() error {
	s.cancel()
	err := s.ln.Close()
	s.wg.Wait()
	return err
}

// Conns returns the connections accepted so far, in their order.
func (s *Server) Conns() []Conn {
	conns, _ := s.snapshot()
	return conns
}

func (s *Server) snapshot() (conns []Conn, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns), s.changed
}

// Await waits until enough reports true.
func (s *Server) Await(ctx context.Context, enough func([]Conn) bool) ([]Conn, error) {
	for {
		conns, changed := s.snapshot()
		if enough(conns) {
			return conns, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return conns, fmt.Errorf("server %v: %w: it has accepted %v", s.ln.Addr(), ctx.Err(), conns)
		}
	}
}

// change calls f, which changes conns, and wakes those who wait.
func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		var number int
		s.change(func() {
			number = len(s.conns)
			from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			s.conns = append(s.conns, Conn{From: from, At: time.Now(), End: Open})
		})
		s.wg.Go(func() {
			// Closing is what ends the reads and writes of an open connection.
			stop := context.AfterFunc(s.ctx, func() { c.Close() })
			defer stop()
			end := s.serve(&client{Conn: c}, number)
			s.change(func() { s.conns[number].End = end })
			c.Close()
		})
	}
}

// client is a connection that remembers a reset: the kernel reports it once, to the
// first read or write after it, and the other returns EOF or EPIPE.
type client struct {
	net.Conn
	mu    sync.Mutex
	reset bool
}

func (c *client) send(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Write(text)
	c.reset = c.reset || errors.Is(err, unix.ECONNRESET)
}

// end returns how the connection ended, from the error of a read.
func (c *client) end(err error) End {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.reset || errors.Is(err, unix.ECONNRESET):
		return ByRST
	case err == io.EOF:
		return ByFIN
	}
	return Open // the server was closed first
}

// serve reads until the client ends the connection.
func (s *Server) serve(c *client, number int) End {
	received, greeted := make(chan struct{}), make(chan struct{})
	receive := sync.OnceFunc(func() { close(received) })
	s.wg.Go(func() {
		s.greet(c, received)
		close(greeted)
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			s.change(func() { s.conns[number].Got += n })
			receive()
		}
		if n > 0 && s.behavior.Echo {
			<-greeted
			c.send(buf[:n])
		}
		if err != nil {
			return c.end(err)
		}
	}
}

// greet sends the greeting when it is due.
func (s *Server) greet(c *client, received <-chan struct{}) {
	if s.behavior.ClientFirst {
		select {
		case <-received:
		case <-s.ctx.Done():
			return
		}
	}
	due := time.NewTimer(s.behavior.After)
	defer due.Stop()
	select {
	case <-due.C:
		c.send([]byte(s.behavior.Greeting))
		if s.behavior.Close {
			c.Conn.(*net.TCPConn).CloseWrite()
		}
	case <-s.ctx.Done():
	}
}
