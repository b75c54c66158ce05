package wake

import (
	"encoding/hex"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestParseMAC(t *testing.T) {
	for text, want := range map[string]bool{
		"00:00:5e:00:53:01": true, "00-00-5E-00-53-01": true, "0000.5e00.5301": true,
		"": false, "box": false, "00:00:5e:00:53": false, "02:00:5e:10:00:00:00:01": false,
	} {
		if _, err := ParseMAC(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPacket(t *testing.T) {
	mac, _ := ParseMAC("00:00:5e:00:53:01")
	if got, want := hex.EncodeToString(packet(mac)), "ffffffffffff"+strings.Repeat("00005e005301", 16); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBroadcast(t *testing.T) {
	for prefix, want := range map[string]string{
		"192.0.2.7/24": "192.0.2.255", "10.1.2.3/8": "10.255.255.255", "192.0.2.7/30": "192.0.2.7",
		"192.0.2.7/31": "", "192.0.2.7/32": "",
	} {
		ip, n, err := net.ParseCIDR(prefix)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		got := ""
		if to := broadcast(n); to != nil {
			got = to.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", prefix, got, want)
		}
	}
}

func TestSendOnAll(t *testing.T) {
	up := net.FlagUp | net.FlagBroadcast
	lo, down := net.Interface{Name: "lo", Flags: net.FlagUp | net.FlagLoopback}, net.Interface{Name: "eth9", Flags: net.FlagBroadcast}
	good, bad, tun := net.Interface{Name: "good", Flags: up}, net.Interface{Name: "bad", Flags: up}, net.Interface{Name: "tun", Flags: net.FlagUp}
	for _, tt := range []struct {
		all  []net.Interface
		sent int
		err  string
	}{
		{nil, 0, "no interface that is up can send it"},
		{[]net.Interface{lo, down, tun}, 0, "no interface that is up can send it"},
		{[]net.Interface{lo, good, good}, 4, ""},
		{[]net.Interface{bad, good}, 2, "bad: network is down"},
		{[]net.Interface{bad}, 0, "bad: network is down"},
	} {
		sent, err := sendOnAll(tt.all, func(i *net.Interface) (int, error) {
			switch i.Name {
			case "good":
				return 2, nil
			case "bad":
				return 0, syscall.ENETDOWN
			case "tun":
				return 0, nil
			}
			t.Errorf("sent on %s", i.Name)
			return 0, nil
		})
		if got := errText(err); sent != tt.sent || got != tt.err {
			t.Errorf("%v: sent %d, %s; want %d, %s", tt.all, sent, got, tt.sent, tt.err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
