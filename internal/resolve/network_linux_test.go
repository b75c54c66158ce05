package resolve

import (
	"net"
	"net/netip"
	"testing"
)

// Networks are told apart by the interface and the gateway's MAC address, as far as it
// is known.
func TestNetwork(t *testing.T) {
	needNetwork(t)
	p := newPlace(t)
	local := netip.MustParseAddr("10.9.0.1")
	if err := p.ip("link add veth7 type veth peer name veth8", "link set veth8 up", "address add 10.9.0.1/24 dev veth7", "link set veth7 up"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ do, want string }{
		{"link set lo up", "veth7/"},
		{"route add default via 10.9.0.2", "veth7/10.9.0.2"},
		{"neighbour add 10.9.0.3 lladdr 00:00:5e:00:53:03 dev veth7", "veth7/10.9.0.2"},
		{"neighbour add 10.9.0.2 lladdr 00:00:5e:00:53:01 dev veth7", "veth7/00:00:5e:00:53:01"},
		{"neighbour replace 10.9.0.2 lladdr 00:00:5e:00:53:02 dev veth7", "veth7/00:00:5e:00:53:02"},
	} {
		if err := p.ip(step.do); err != nil {
			t.Fatal(err)
		}
		if err := p.do(func() error {
			i, err := net.InterfaceByName("veth7")
			if err != nil {
				return err
			}
			for _, got := range []string{Network(local, 0), Network(netip.MustParseAddr("fe80::1"), i.Index)} {
				if got != step.want {
					t.Errorf("after %s: %q, want %q", step.do, got, step.want)
				}
			}
			if got := Network(netip.MustParseAddr("10.9.0.9"), 0); got != "" {
				t.Errorf("of an address that is nobody's: %q", got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
