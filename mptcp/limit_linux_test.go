package mptcp

import (
	"testing"
	"time"
)

// The SYNs of Linux 6.5 and later go at 0, 1, 2, 3, 4, 5, 7, 11 s, those before
// at 0, 1, 3, 7 s.
func TestConnectLimit(t *testing.T) {
	for _, tt := range []struct {
		retries, linear int
		plain           time.Duration // when the first SYN without MPTCP goes
	}{
		{2, 4, 3 * time.Second},
		{2, 0, 7 * time.Second},
		{0, 4, time.Second},
		{0, 0, time.Second},
		{4, 4, 5 * time.Second},
		{5, 4, 7 * time.Second},
		{6, 4, 11 * time.Second},
	} {
		if got := connectLimit(tt.retries, tt.linear) + 250*time.Millisecond; got != tt.plain {
			t.Errorf("%d retries, %d linear: %v, want %v", tt.retries, tt.linear, got, tt.plain)
		}
	}
	for _, tt := range []struct {
		sysctls map[string]int
		want    time.Duration
	}{
		{nil, 0}, // before Linux 6.12
		{map[string]int{"mptcp/blackhole_timeout": 3600, "ipv4/tcp_syn_linear_timeouts": 4}, 2750 * time.Millisecond},
		{map[string]int{"mptcp/blackhole_timeout": 0, "ipv4/tcp_syn_linear_timeouts": 4}, 2750 * time.Millisecond},
		{map[string]int{"mptcp/blackhole_timeout": 3600, "mptcp/syn_retrans_before_tcp_fallback": 0}, 750 * time.Millisecond},
	} {
		got := limitBy(func(name string) (int, bool) { value, known := tt.sysctls[name]; return value, known })
		if got != tt.want {
			t.Errorf("%v: %v, want %v", tt.sysctls, got, tt.want)
		}
	}
	if connectLimit(1<<20, 0) <= 0 {
		t.Error("no limit for many retries")
	}
	if d := ConnectLimit(); d != 0 && d < time.Second/2 {
		t.Errorf("the limit of this kernel is %v", d)
	}
}
