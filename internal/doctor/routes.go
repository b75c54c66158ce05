//go:build unix

package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"fdrace/internal/resolve"
)

// Addresses of the root name server A, far from everybody. Nothing is sent.
const (
	farIPv4 = "198.41.0.4:53"
	farIPv6 = "[2001:503:ba3e::2:30]:53"
)

// checkRoutes looks for ways to the IPv4 and the IPv6 internet. Neither is
// needed for hosts on the links of this machine.
func checkRoutes() []Finding {
	v4, v6 := Finding{Check: "IPv4", Status: OK}, Finding{Check: "IPv6", Status: OK}
	way4, err4 := wayOut("udp4", farIPv4)
	way6, err6 := wayOut("udp6", farIPv6)
	v4.Found, v6.Found = way4, way6
	if err6 != nil {
		v6.Found = fmt.Sprintf("no default route (%v): IPv6 addresses are skipped at once", err6)
	}
	switch {
	case err4 == nil:
	case err6 != nil:
		v4.Status, v4.Found = Warn, fmt.Sprintf("no default route (%v), and none for IPv6: only hosts on this machine's own links can be reached", err4)
		v4.Remedy, v4.Where = connectNetwork(), InShell
		v6.Status, v6.Remedy, v6.Where = Warn, v4.Remedy, InShell
	default:
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		prefixes, err := resolve.NAT64Prefixes(ctx)
		if err == nil {
			v4.Found = fmt.Sprintf("no default route, but NAT64: IPv4 is reached through %v", prefixes[0])
			break
		}
		v4.Status, v4.Found = Warn, "no default route, and no NAT64: hosts with only IPv4 cannot be reached"
		v4.Remedy, v4.Where = connectNetwork(), InShell
	}
	return []Finding{v4, v6}
}

// wayOut says by what interface packets to there leave, and from what address.
func wayOut(network, there string) (way string, err error) {
	c, err := net.Dial(network, there)
	if err != nil {
		if call, is := err.(*net.OpError); is {
			err = call.Err
		}
		if call, is := err.(*os.SyscallError); is {
			err = call.Err
		}
		return "", err
	}
	defer c.Close()
	from := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	all, err := net.Interfaces()
	for _, i := range all {
		addrs, _ := i.Addrs() // of one that has gone meanwhile: none
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == from {
				return fmt.Sprintf("leaves through %s, from %s", i.Name, from), nil
			}
		}
	}
	return fmt.Sprintf("leaves from %s", from), err
}

// connectNetwork is the command that gets this machine a default route, as far
// as it can be known.
func connectNetwork() string {
	i := firstInterface()
	switch {
	case exists("/run/NetworkManager"):
		return sudo("nmcli device connect " + i)
	case exists("/run/systemd/netif/links"):
		return sudo("networkctl reconfigure " + i)
	}
	return sudo("ip route add default via ROUTER dev " + i)
}

// firstInterface is the first that is not loopback, and up if one is.
func firstInterface() string {
	first := ""
	all, _ := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if i.Flags&net.FlagUp != 0 {
			return i.Name
		}
		if first == "" {
			first = i.Name
		}
	}
	if first == "" {
		return "INTERFACE"
	}
	return first
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
