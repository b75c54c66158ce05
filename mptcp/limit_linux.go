package mptcp

import (
	"os"
	"strconv"
	"strings"
	"time"
)

const sysctls = "/proc/sys/net/"

// ConnectLimit returns how long a connection may be left unanswered before the
// kernel would try it without MPTCP, less a margin; 0 if there is no limit. If that
// try is answered, Linux 6.12 and later uses plain TCP for every destination of the
// network namespace, for net.mptcp.blackhole_timeout seconds: see Paused. A
// connection that is closed before leaves no such memory. With a timeout of 0 the
// kernel keeps using MPTCP, but what such a try says of the server is wrong, too.
func ConnectLimit() time.Duration { return limitBy(sysctl) }

// limitBy is ConnectLimit for a kernel with these sysctls.
func limitBy(sysctl func(name string) (value int, known bool)) time.Duration {
	if _, known := sysctl("mptcp/blackhole_timeout"); !known {
		return 0
	}
	retries, known := sysctl("mptcp/syn_retrans_before_tcp_fallback")
	if !known {
		retries = 2 // as it was before there was the sysctl
	}
	linear, _ := sysctl("ipv4/tcp_syn_linear_timeouts") // Linux 6.5
	return connectLimit(retries, linear)
}

// connectLimit is ConnectLimit for a kernel that repeats a SYN so many times before
// it does so without MPTCP, and does not double the time between two before so many
// timeouts (tcp_retransmit_timer).
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

// sysctl returns the number that is a sysctl's value. known is false if this kernel
// does not have it.
func sysctl(name string) (value int, known bool) {
	text, err := os.ReadFile(sysctls + name)
	if err != nil {
		return 0, false
	}
	value, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return value, err == nil
}
