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

// Banner is what an SSH server of the lab says first.
const Banner = "SSH-2.0-lab\r\n"

// Manner is how a server treats those who connect; with the zero value it
// accepts, reads and is silent.
type Manner struct {
	Says        string
	After       time.Duration // before it says it
	ClientFirst bool          // it waits for the client to say something
	Echo        bool          // and then sends back what it is sent
	Closes      bool          // when it has said it
	MPTCP       bool          // it speaks MPTCP
}

// Server is a TCP server.
type Server struct {
	manner Manner
	ln     net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	conns   []Conn
	changed chan struct{} // closed, and made anew, when conns changes
}

// Conn is a connection as the server saw it.
type Conn struct {
	From netip.AddrPort
	At   time.Time // of accept
	Got  int       // bytes
	End  End
}

// End is how the client ended a connection.
type End string

const (
	Open  End = "open" // still
	ByFIN End = "fin"
	ByRST End = "rst"
)

// Serve starts a server in the host. The caller closes it.
func Serve(h *Host, at netip.AddrPort, m Manner) (*Server, error) {
	s := &Server{manner: m, changed: make(chan struct{})}
	var config net.ListenConfig
	config.SetMultipathTCP(m.MPTCP)
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

// Conns are the connections accepted so far, in their order.
func (s *Server) Conns() []Conn {
	conns, _ := s.snapshot()
	return conns
}

func (s *Server) snapshot() (conns []Conn, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns), s.changed
}

// Await waits until enough says so of the connections.
func (s *Server) Await(ctx context.Context, enough func([]Conn) bool) ([]Conn, error) {
	for {
		conns, changed := s.snapshot()
		if enough(conns) {
			return conns, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return conns, fmt.Errorf("server %v: %w: it has seen %v", s.ln.Addr(), ctx.Err(), conns)
		}
	}
}

// change changes the connections and tells those who wait.
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
			end := s.treat(&client{Conn: c}, number)
			s.change(func() { s.conns[number].End = end })
			c.Close()
		})
	}
}

// client is a connection whose reset is not missed: the kernel reports it once,
// to whichever of a read and a write comes first, and the other sees an end.
type client struct {
	net.Conn
	mu    sync.Mutex
	reset bool
}

func (c *client) say(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Write(text)
	c.reset = c.reset || errors.Is(err, unix.ECONNRESET)
}

// end is what an error of a read means.
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

// treat does with a connection what the server's manner is, until the client
// ends it.
func (s *Server) treat(c *client, number int) End {
	heard, spoken := make(chan struct{}), make(chan struct{})
	hear := sync.OnceFunc(func() { close(heard) })
	s.wg.Go(func() {
		s.speak(c, heard)
		close(spoken)
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			s.change(func() { s.conns[number].Got += n })
			hear()
		}
		if n > 0 && s.manner.Echo {
			<-spoken
			c.say(buf[:n])
		}
		if err != nil {
			return c.end(err)
		}
	}
}

// speak says what there is to say when it is time.
func (s *Server) speak(c *client, heard <-chan struct{}) {
	if s.manner.ClientFirst {
		select {
		case <-heard:
		case <-s.ctx.Done():
			return
		}
	}
	due := time.NewTimer(s.manner.After)
	defer due.Stop()
	select {
	case <-due.C:
		c.say([]byte(s.manner.Says))
		if s.manner.Closes {
			c.Conn.(*net.TCPConn).CloseWrite()
		}
	case <-s.ctx.Done():
	}
}
