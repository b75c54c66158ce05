package engine

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"fdrace/internal/resolve"
	"fdrace/internal/stub"
)

// Every exported field is checked, and the error names it and what to set.
func TestValidate(t *testing.T) {
	box := Target{"box", 22}
	server := Target{"proxy", 1080}
	noStart := []Command{{Name: "jump", Target: box}}
	a := netip.MustParseAddr
	for want, tt := range map[string]struct {
		dialer  Dialer
		started Started
		targets []Target
	}{
		"no target: pass one":                          {targets: []Target{}},
		"target 0: Host is empty: set":                 {targets: []Target{{"", 22}}},
		`target 1: Port of "box" is 0: set a port`:     {targets: []Target{box, {"box", 0}}},
		`Port of "vsock:3" is 0: set a port`:           {targets: []Target{{"vsock:3", 0}}},
		`target 0: Host is "unix:"`:                    {targets: []Target{{"unix:", 0}}},
		"Timeout is -1ns: set 0 or more":               {dialer: Dialer{Timeout: -1}},
		"HeadStart is -1ns: set 0 or more":             {dialer: Dialer{HeadStart: -1}},
		"Fallback is -1ns: set 0 or more":              {dialer: Dialer{Fallback: -1}},
		"Delay is 9ms: set 10ms to 2s, or 0":           {dialer: Dialer{Delay: 9 * ms}},
		"Delay is 2.001s: set":                         {dialer: Dialer{Delay: 2001 * ms}},
		"Family is 3: set AnyFamily":                   {dialer: Dialer{Family: 3}},
		"Family is -1: set AnyFamily":                  {dialer: Dialer{Family: -1}},
		"Bind is 10.0.0.1, not an IPv6 address: leave": {dialer: Dialer{Bind: a("10.0.0.1"), Family: IPv6}},
		"Bind is ::ffff:10.0.0.1: call Unmap":          {dialer: Dialer{Bind: a("::ffff:10.0.0.1")}},
		`Banner is "SSH-\n": set the beginning`:        {dialer: Dialer{Banner: "SSH-\n"}},
		"Transports has 5: set 4 at most":              {dialer: Dialer{Transports: make([]Transport, 5)}},
		`Transports has two by the Name "tcp": giv`:    {dialer: Dialer{Transports: []Transport{{}, {Name: "tcp"}}}},
		"Interfaces has {Name:eth0 IPv4:false IPv6":    {dialer: Dialer{Interfaces: []resolve.Interface{{Name: "eth0"}}}},
		"Commands[0]: set Name and Start":              {dialer: Dialer{Commands: noStart}},
		"Hangup has descriptor -1: leave it out":       {dialer: Dialer{Hangup: []int{-1}}},
		"Proxies[0]: Server: Host is empty: set":       {dialer: Dialer{Proxies: []Proxy{{Target: box}}}},
		"Proxies[0]: Target: Host is empty: set":       {dialer: Dialer{Proxies: []Proxy{{Server: server}}}},
		"Kind is 3: set SOCKS5":                        {dialer: Dialer{Proxies: []Proxy{{Kind: 3, Server: server, Target: box}}}},
		"User and Password have 256 and 0 bytes: s":    {dialer: Dialer{Proxies: []Proxy{{Server: server, Target: box, User: strings.Repeat("x", 256)}}}},
		"Password without a User: set both":            {dialer: Dialer{Proxies: []Proxy{{Server: server, Target: box, Password: "x"}}}},
		"SOCKS4a has none: set Kind to SOCKS5":         {dialer: Dialer{Proxies: []Proxy{{Kind: SOCKS4a, Server: server, Target: box, User: "x", Password: "x"}}}},
		"SOCKS4a has no IPv6 addresses: set Kind":      {dialer: Dialer{Proxies: []Proxy{{Kind: SOCKS4a, Server: server, Target: Target{"::1", 22}}}}},
		"end at a NUL in SOCKS4a: leave it out":        {dialer: Dialer{Proxies: []Proxy{{Kind: SOCKS4a, Server: server, Target: box, User: "x\x00"}}}},
		`User is "a:b": leave the colon out`:           {dialer: Dialer{Proxies: []Proxy{{Kind: HTTP, Server: server, Target: box, User: "a:b"}}}},
		"Target.Host has 256 bytes: set 255":           {dialer: Dialer{Proxies: []Proxy{{Server: server, Target: Target{strings.Repeat("x", 256), 22}}}}},
		"Started.Age is -1ns: set 0 or more":           {started: Started{Age: -1}},
		"Started.Lookups has nil for":                  {started: Started{Lookups: map[string]*stub.Exchange{"box": nil}}},
		"Started.Sockets has {FD:9 At:2ms} for":        {started: Started{Age: ms, Sockets: map[netip.AddrPort]StartedSocket{netip.MustParseAddrPort("10.0.0.1:22"): {FD: 9, At: 2 * ms}}}},
	} {
		if tt.targets == nil {
			tt.targets = []Target{box}
		}
		if err := tt.dialer.validate(&tt.started, tt.targets); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, host := range []string{"unix:/run/box", "vsock:3:22", ".host", "machine/box"} {
		if err := (Target{Host: host}).validate(); err != nil {
			t.Errorf("%s without a port: %v", host, err)
		}
	}
	nothing := &Started{Lookups: map[string]*stub.Exchange{"box": nil}}
	if _, err := new(Dialer).Continue(context.Background(), nothing, box); err == nil || len(nothing.Lookups) > 0 {
		t.Errorf("Continue: %v, and leaves %v", err, nothing.Lookups)
	}
	if _, err := (&Dialer{Delay: 1}).Dial(context.Background(), box); err == nil || !strings.HasPrefix(err.Error(), "race: Delay is 1ns") {
		t.Errorf("Dial: %v", err)
	}
}
