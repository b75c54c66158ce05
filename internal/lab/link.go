//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// mtu of every link.
const mtu = 1500

// queue is the length of each interface's transmit queue, in packets. The default of
// 500 overflows, and TCP sees losses, when the wire's loop waits for a processor.
const queue = 10000

// Link is a path between two hosts: an interface of its name in both. The near host
// has a default route through it: the far host is the internet, and may have further
// addresses ([Host.Address]).
//
// The n-th link of a wire, counted from 1, has 10.0.n.1, 2001:db8:n::1 and
// fe80::1 at the near end and the same with 2 at the far end. They are no ULAs, as
// RFC 6724 prefers IPv4 to those. The default route's metric is 100·n: the first
// link is preferred.
type Link struct {
	Name      string
	Near, Far *Host
	RTT       time.Duration
	Only      int // 4 or 6: the near end has addresses and routes of this version only

	wire   *Wire
	number int
	tun    [3]int // by Direction: the descriptor to write a packet to that goes there

	// Under the wire's lock.
	delay, jitter time.Duration
	rules         []Rule
	down          bool
	gone          bool // an interface was deleted
	cut           int  // counts the changes of down
	traffic       [3]Traffic
}

// Traffic counts the packets delivered in one direction.
type Traffic struct{ Packets, Bytes int }

// Add connects a link's hosts. Its exported fields must not be changed afterwards.
func (w *Wire) Add(l *Link) (*Link, error) {
	w.mu.Lock()
	w.added++
	l.wire, l.number, l.delay = w, w.added, l.RTT/2
	w.mu.Unlock()
	far, err := l.Far.tun(l.Name)
	if err != nil {
		return nil, err
	}
	near, err := l.Near.tun(l.Name)
	if err != nil {
		unix.Close(far)
		return nil, err
	}
	l.tun[Out], l.tun[In] = far, near
	err = errors.Join(l.setUp(l.Far, l.ends(2), nil), l.setUp(l.Near, l.ends(1), l.routes()))
	if err != nil {
		return nil, errors.Join(err, unix.Close(far), unix.Close(near))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links = append(w.links, l)
	w.wakeUp()
	return l, nil
}

// ends returns the link's addresses at one end.
func (l *Link) ends(end int) []netip.Prefix {
	var list []netip.Prefix
	if l.Only != 6 || end == 2 {
		list = append(list, netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/24", l.number, end)))
	}
	if l.Only != 4 || end == 2 {
		list = append(list,
			netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::%d/64", l.number, end)),
			netip.MustParsePrefix(fmt.Sprintf("fe80::%d/64", end)))
	}
	return list
}

// setUp sets up the interface in one of its hosts.
func (l *Link) setUp(h *Host, addresses []netip.Prefix, routes []string) error {
	lines := []string{fmt.Sprintf("link set %s mtu %d txqueuelen %d addrgenmode none up", l.Name, mtu, queue)}
	var bare []netip.Addr
	for _, a := range addresses {
		lines = append(lines, fmt.Sprintf("address add %s dev %s nodad", a, l.Name))
		bare = append(bare, a.Addr())
	}
	return h.Configure(bare, append(lines, routes...)...)
}

func (l *Link) routes() []string {
	var set []string
	if l.Only != 6 {
		set = append(set, fmt.Sprintf("route add default via 10.0.%d.2 dev %s metric %d", l.number, l.Name, 100*l.number))
	}
	if l.Only != 4 {
		set = append(set, fmt.Sprintf("route add ::/0 via fe80::2 dev %s metric %d", l.Name, 100*l.number))
	}
	return set
}

// tun makes an interface in the host and returns the descriptor to read and write its
// packets. Closing that removes the interface.
func (h *Host) tun(name string) (fd int, err error) {
	err = h.Do(func() error {
		if fd, err = openTUN(); err != nil {
			return err
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("interface %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return -1, fmt.Errorf("host %s: %w", h.Name, err)
	}
	return fd, nil
}

func openTUN() (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrPermission) {
		return -1, fmt.Errorf("open /dev/net/tun: %w: run `chmod 0666 /dev/net/tun`, as most distributions have it", err)
	}
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w: run `modprobe tun`", err)
	}
	return fd, nil
}

// Rule adds a rule after the existing ones, for packets that enter from now on.
func (l *Link) Rule(r Rule) {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.rules = append(l.rules, r)
}

// Clear removes all rules.
func (l *Link) Clear() {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.rules = nil
}

// SetDelay changes the delay of packets that enter from now on: each way half of rtt,
// and at random up to jitter more, so that packets may overtake each other.
func (l *Link) SetDelay(rtt, jitter time.Duration) {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.delay, l.jitter = rtt/2, jitter
}

// SetDown makes the link lose everything, also what is on its way, until it is up
// again. The interfaces stay up, as with a dead router.
func (l *Link) SetDown(down bool) {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.down = down
	l.cut++
}

// Traffic returns what was delivered in a direction since the link was made.
func (l *Link) Traffic(d Direction) Traffic {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	return l.traffic[d]
}
