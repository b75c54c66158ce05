//go:build linux

package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"
)

// Cable connects near and far by a pair of veth interfaces of that name. The kernel
// carries their packets: without delay, and without /dev/net/tun.
//
// The n-th cable, counted from 1, has 10.1.n.1, 2001:db8:c:n::1 and fe80::1 at
// the near end and the same with 2 at the far one. The metric of its default
// routes is 100·n. The IPv4 networks are /28: all hosts share the kernel's table of
// neighbors, which has room for 1024, and a story may ask for every address of a network.
func Cable(near, far *Host, name string, n int) error {
	var there *os.File
	if err := far.Do(func() (err error) {
		there, err = os.Open("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		return err
	}
	defer there.Close()
	add := exec.Command("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", "/proc/self/fd/3")
	add.ExtraFiles = []*os.File{there}
	if err := near.Do(func() error {
		if out, err := add.CombinedOutput(); err != nil {
			return fmt.Errorf("ip link add: %w: %s", err, out)
		}
		return nil
	}); err != nil {
		return err
	}
	end := func(host *Host, end, via int) error {
		own := []netip.Addr{
			netip.MustParseAddr(fmt.Sprintf("2001:db8:c:%d::%d", n, end)),
			netip.MustParseAddr(fmt.Sprintf("fe80::%d", end)),
		}
		return host.Configure(own,
			fmt.Sprintf("link set %s addrgenmode none up", name),
			fmt.Sprintf("address add 10.1.%d.%d/28 dev %s", n, end, name),
			fmt.Sprintf("address add 2001:db8:c:%d::%d/64 dev %s nodad", n, end, name),
			fmt.Sprintf("address add fe80::%d/64 dev %s nodad", end, name),
			fmt.Sprintf("route add default via 10.1.%d.%d dev %s metric %d", n, via, name, 100*n),
			fmt.Sprintf("route add ::/0 via fe80::%d dev %s metric %d", via, name, 100*n),
		)
	}
	// With a default route, far drops packets to addresses that nobody has; without
	// one, it answers with an ICMPv6 error.
	if err := end(far, 2, 1); err != nil {
		return err
	}
	if err := end(near, 1, 2); err != nil {
		return err
	}
	return far.awaitCarrier(name)
}

// awaitCarrier waits until the kernel has noticed an interface's carrier. Until then,
// the host whose end was up first drops what it sends.
func (h *Host) awaitCarrier(name string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var out []byte
		err := h.Do(func() (err error) {
			out, err = exec.Command("ip", "link", "show", name).Output()
			return err
		})
		if err != nil || bytes.Contains(out, []byte("state UP")) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("host %s: no carrier: %s", h.Name, out)
		}
	}
}
