package mptcp

import (
	"os"
	"strconv"
	"strings"
	"time"
)

const sysctls = "/proc/sys/net/"

// ConnectLimit returns how long connect(2) may go unanswered before the kernel tries
// without MPTCP, less a margin of 250 ms; or 0 if there is no limit. If that try is
// answered, Linux 6.12 and later uses plain TCP for every destination of the network
// namespace, for net.mptcp.blackhole_timeout seconds: see Paused. If the socket is
// closed before, the kernel remembers nothing. There is a limit even if
// blackhole_timeout is 0: the kernel then keeps using MPTCP, but a connection that
// fell back in this way says nothing about the server.
func ConnectLimit() time.Duration { return limitBy(sysctl) }

// limitBy is ConnectLimit for a kernel whose sysctls the function reads.
func limitBy(sysctl func(name string) (value int, known bool)) time.Duration {
	if _, known := sysctl("mptcp/blackhole_timeout"); !known {
		return 0
	}
	retries, known := sysctl("mptcp/syn_retrans_before_tcp_fallback")
	if !known {
		retries = 2 // in kernels without that sysctl
	}
	linear, _ := sysctl("ipv4/tcp_syn_linear_timeouts") // Linux 6.5
	return connectLimit(retries, linear)
}

// connectLimit is ConnectLimit for a kernel that sends a SYN again that many times
// (retries) before it does so without MPTCP, and doubles the time between two only
// after the first timeouts (linear is their number: tcp_retransmit_timer).
func connectLimit(retries, linear int) time.Duration {
	const (
		margin  = 250 * time.Millisecond // for a busy machine
		longest = 2 * time.Minute        // TCP_RTO_MAX
	)
	var at time.Duration
	timeout := time.Second // TCP_TIMEOUT_INIT
	for n := range min(retries, 127) + 1 {
		at += timeout
		if n+1 > linear {
			timeout = min(2*timeout, longest)
		}
	}
	return at - margin
}

// sysctl returns the value of a sysctl below net. known is false if this kernel does
// not have it, or if it is not a number.
func sysctl(name string) (value int, known bool) {
	text, err := os.ReadFile(sysctls + name)
	if err != nil {
		return 0, false
	}
	value, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return value, err == nil
}
