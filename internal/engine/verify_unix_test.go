//go:build unix

package engine

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket that has met itself (RFC 9293 section 3.5) is no connection.
func TestKernelSelfConnect(t *testing.T) {
	noLeak(t)
	to := refusing(t)
	fd, err := streamSocket(unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	self := &unix.SockaddrInet4{Port: int(to.Port), Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Bind(fd, self); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, self); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		t.Skipf("this system does not connect a socket to itself: %v; remedy: run on Linux", err)
	}
	started := &Started{Sockets: map[netip.AddrPort]StartedSocket{at(to): {FD: fd}}}
	w, err := new(Dialer).Continue(context.Background(), started, to)
	if !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), "itself") {
		t.Errorf("%+v, %v", w, err)
	}
}

// capture is a transport of plain TCP that tells of its last socket.
func capture(t *Transport, fd *int) {
	t.Socket = func(domain int) (int, error) {
		var err error
		*fd, err = streamSocket(domain)
		return *fd, err
	}
}

// While the banner is waited for, the end of this process resets the connection: a FIN
// would be an unfinished login.
func TestKernelWaitsForBannerWithLinger(t *testing.T) {
	for name, eager := range map[string]bool{"TCP": false, "as MPTCP": true} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			fd, looked := -1, false
			transport := Transport{EagerACK: eager}
			capture(&transport, &fd)
			d := Dialer{Banner: "SSH-", Timeout: 100 * ms, Transports: []Transport{transport}, Report: func(e Event) {
				if e.Kind == Connected {
					looked = true
					if l, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER); err != nil || l.Onoff == 0 || l.Linger != 0 {
						t.Errorf("SO_LINGER is %+v, %v", l, err)
					}
				}
			}}
			if _, err := d.Dial(context.Background(), server(t)); !errors.Is(err, ErrNoBanner) || !looked {
				t.Errorf("%v, connected %v", err, looked)
			}
		})
	}
}

// What Check has to say when the banner is there counts: MPTCP may have fallen back by
// then.
func TestKernelChecksAfterBanner(t *testing.T) {
	noLeak(t)
	fellBack := errors.New("fell back")
	asked := 0
	d := Dialer{Banner: "SSH-", Transports: []Transport{{Check: func(int) error {
		if asked++; asked == 2 {
			return fellBack
		}
		return nil
	}}}}
	w, err := d.Dial(context.Background(), server(t, "SSH-2.0-lab\r\n"))
	if err == nil {
		unix.Close(w.FD)
	}
	if !errors.Is(err, fellBack) || asked != 2 {
		t.Errorf("%v; asked %d times", err, asked)
	}
}
