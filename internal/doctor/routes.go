//go:build unix

package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
)

// checkRoutes looks for routes to the IPv4 and the IPv6 internet. Hosts on the links of this
// machine need neither.
func checkRoutes() []Finding {
	v4, v6 := Finding{Check: "IPv4", Status: OK}, Finding{Check: "IPv6", Status: OK}
	way4, err4 := wayOut(engine.FarIPv4())
	way6, err6 := wayOut(engine.FarIPv6())
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

// wayOut says through which interface, and from which address, packets to there leave. It
// sends nothing.
func wayOut(there netip.Addr) (way string, err error) {
	c, err := net.Dial("udp", netip.AddrPortFrom(there, 53).String())
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
		addrs, _ := i.Addrs() // none if the interface has gone
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == from {
				return fmt.Sprintf("leaves through %s, from %s", i.Name, from), nil
			}
		}
	}
	return fmt.Sprintf("leaves from %s", from), err
}

// connectNetwork returns the command that is most likely to give this machine a default
// route.
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

// firstInterface returns the first interface that is not loopback, if possible one that is
// up.
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
