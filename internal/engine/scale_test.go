package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkTargets: what a race costs for each of its targets, of which the
// last answers. It should be flat from 10 to 1000.
func BenchmarkTargets(b *testing.B) {
	for _, c := range []struct {
		name   string
		dialer Dialer
		peer   func(i int) peer
	}{
		{name: "refuse one by one", peer: func(i int) peer { return peer{rtt: time.Duration(i) * ms, err: refused} }},
		{name: "refuse at once", peer: func(int) peer { return peer{err: refused, inside: true} }},
		{name: "silent, 1 ms apart", dialer: Dialer{HeadStart: ms}},
		{name: "no MPTCP", dialer: Dialer{Transports: twoTransports}, peer: func(i int) peer { return peer{rtt: time.Duration(i) * ms, err: refused} }},
	} {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				targets, peers := make([]Target, n), hosts{}
				for i := range targets {
					a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
					targets[i] = Target{a.String(), 22}
					if c.peer != nil {
						peers[a.String()], peers[a.String()+" mptcp"] = c.peer(i), c.peer(i)
					}
				}
				last := targets[n-1].Host
				peers[last], peers[last+" mptcp"] = peer{rtt: 2 * time.Second}, peer{rtt: 2 * time.Second}
				c.dialer.Timeout = time.Minute
				for b.Loop() {
					f := &fake{hosts: peers, open: map[int]*conn{}, given: map[int]*conn{}, syns: map[string]int{}}
					if _, err := c.dialer.run(f, &Started{}, targets); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/target")
			})
		}
	}
}
