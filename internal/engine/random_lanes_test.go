package engine

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

func (w *world) drawProxies(r *rand.Rand, addrs, mapped []string) {
	if r.IntN(4) == 0 {
		first := r.IntN(len(addrs))
		for i := range r.IntN(3) + 1 {
			server := addrs[(first+i)%len(addrs)]
			if i == 1 {
				server = "proxy"
				w.dns["proxy A"], w.dns["proxy AAAA"] = drawReply(r, addrs[:3]), drawReply(r, addrs[3:])
			}
			w.dialer.Proxies = append(w.dialer.Proxies, Proxy{Kind: SOCKS5, Server: Target{server, uint16(21 + i)}, Target: Target{"box", 22}})
		}
		for _, a := range slices.Concat(addrs, mapped) {
			for _, via := range []string{"", " via eth0", " via lte0"} {
				for _, port := range []uint16{21, 22, 23} {
					if r.IntN(3) > 0 {
						server := netip.AddrPortFrom(netip.MustParseAddr(a), port).String()
						w.hosts["socks5://"+server+via] = drawProxy(r)
					}
				}
			}
		}
	}
}

func (w *world) drawCommands(r *rand.Rand) {
	if r.IntN(4) == 0 {
		w.dialer.Fallback = time.Duration(r.IntN(1500)+1) * ms
		for i := range r.IntN(3) + 1 {
			c := Command{Name: "command" + strconv.Itoa(i), Target: Target{"box", 22}}
			w.dialer.Commands = append(w.dialer.Commands, c)
			p := peer{rtt: time.Duration(r.IntN(3000)) * ms, half: r.IntN(4) == 0, deaf: r.IntN(8) == 0}
			if r.IntN(2) == 0 {
				p.err, p.inside = exitError{status: 255}, r.IntN(8) == 0
			}
			w.hosts[c.Name] = p
		}
	}
}

func drawProxy(r *rand.Rand) peer {
	p := drawPeer(r)
	p.reply = time.Duration(r.IntN(400)) * ms
	p.deaf = r.IntN(4) == 0
	if r.IntN(3) == 0 {
		p.refuse = &ProxyError{Said: "no"}
	}
	return p
}
