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
	if connectLimit(1<<20, 0) <= 0 {
		t.Error("no limit for many retries")
	}
	if d := ConnectLimit(); d != 0 && d < time.Second/2 {
		t.Errorf("the limit of this kernel is %v", d)
	}
}
