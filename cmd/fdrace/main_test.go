//go:build unix

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"

	"github.com/alecthomas/kong"
)

// read does what run does before the race.
func read(t *testing.T, line string) ([]engine.Target, *engine.Dialer, error) {
	t.Helper()
	var o helper.Options
	args := strings.Fields(line)
	if err := parse(&o, args); err != nil {
		return nil, nil, err
	}
	return o.Plan()
}

// Every flag has a text, and every text its flag.
func TestHelp(t *testing.T) {
	texts := map[string]string{}
	for _, g := range helpGroups {
		for _, f := range g.flags {
			if texts[f.name] != "" {
				t.Errorf("--%s is in the help twice", f.name)
			}
			texts[f.name] = f.text
		}
	}
	k, err := kong.New(new(struct {
		helper.Options
		Version versionFlag
	}))
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]time.Duration{"timeout": engine.DefaultTimeout, "delay": engine.DefaultDelay, "fallback": engine.DefaultFallback}
	for _, flag := range k.Model.Flags {
		if texts[flag.Name] == "" {
			t.Errorf("--%s has no text", flag.Name)
		}
		delete(texts, flag.Name)
		if want, ok := defaults[flag.Name]; ok && flag.PlaceHolder != want.String() {
			t.Errorf("the help shows %q as the default of --%s, which is %v", flag.PlaceHolder, flag.Name, want)
		}
	}
	for name := range texts {
		t.Errorf("a text for --%s, which is none", name)
	}
}

func TestTargets(t *testing.T) {
	for line, want := range map[string]string{
		"box":                         "box:22",
		"box 2222":                    "box:2222",
		"2222 box":                    "box:2222",
		"-- box 2222":                 "box:2222",
		"2222 box vpn 192.0.2.1":      "box:2222 vpn:2222 192.0.2.1:2222",
		"box vpn:23 [2001:db8::1]:24": "box:22 vpn:23 [2001:db8::1]:24",
		"box vpn:23 2222":             "box:2222 vpn:23",
		"-p 2222 box":                 "box:2222",
		"-p 2222 box 23":              "box:23",
		"--port=2222 -4 box vpn":      "box:2222 vpn:2222",
		"-4 -- -box 22":               "-box:22",
		"-- -box":                     "-box:22",
		"box 2222 -4":                 "box:2222",
		"fe80::1%eth0 2222":           "[fe80::1%eth0]:2222",
	} {
		targets, _, err := read(t, line)
		if got := strings.Trim(fmt.Sprint(targets), "[]"); err != nil || strings.Trim(want, "[]") != got {
			t.Errorf("fdrace %s: %s, %v; want %s", line, got, err, want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                           "a target is missing",
		"22":                         "a target is missing",
		"--":                         "a target is missing",
		"22 box 2222":                `"22": only one bare number`,
		"22 22":                      `"22": only one bare number`,
		"box 22 vpn":                 `"22": only one bare number`,
		"box 0":                      `port "0" is not a number from 1 to 65535`,
		"box 65536":                  `port "65536" is not a number from 1 to 65535`,
		"-p ssh box":                 `port "ssh" is not a number from 1 to 65535`,
		"box -4 2222":                "unexpected argument 2222 (flags and -- go before the targets)",
		"box -- 2222":                "unexpected argument 2222 (flags and -- go before the targets)",
		"box -4 -w":                  "--timeout: a value is missing",
		"-p":                         "--port: a value is missing",
		"--jump -v box":              `--jump: a value is missing before "-v"`,
		"-x box":                     "unknown flag -x (a host whose",
		"--wiat 5s box":              `unknown flag --wiat, did you mean "--wait"? (a host whose`,
		"--jump ssh://me@b box":      "--jump ssh://me@b: write [USER@]HOST[:PORT], as for ssh -J",
		"-xbox":                      "a host whose name begins with - goes after --",
		"--nonsense box":             "unknown flag --nonsense",
		"-4 -6 box":                  "--ipv4 and --ipv6 can't be used together",
		"-w 0 box":                   "--timeout 0: a race needs time",
		"-w soon box":                `"soon" is not a time such as 10s`,
		"-w -1s box":                 `--timeout: a value is missing before "-1`,
		"--timeout=-1s box":          `"-1s" is not a time such as 10s`,
		"--port= box":                `port "" is not a number`,
		"--bind-address= box":        `--bind-address "": write an address`,
		"--interface= box":           `--interface "": there is no such interface`,
		"-- box -- 22":               "once is enough",
		"-- box 22 -v":               `"-v": flags go before --, and before the targets`,
		"--delay 9ms box":            "--delay 9ms: write a time from 10ms to 2s",
		"--delay 2001ms box":         "--delay 2.001s: write a time from 10ms to 2s",
		"--head-start no box":        `"no" is not a time such as 10s`,
		"-b box box":                 `--bind-address "box": write an address of this machine`,
		"-4 -b ::1 box":              "--bind-address ::1 is not an IPv4 address",
		"-6 -b 127.0.0.1 box":        "--bind-address 127.0.0.1 is not an IPv6 address",
		"-b fe80::1 box":             "--bind-address fe80::1: a link-local address needs its interface, as in fe80::1%eth0",
		"-box 22":                    "one that begins with - goes after --",
		"-B nosuch0 box":             `--interface "nosuch0": there is no such interface`,
		"--names-only unix:/run/x":   `--names-only: "unix:/run/x" is not a host name or an IP address`,
		"--names-only box vsock:3":   `--names-only: "vsock:3" is not`,
		"--names-only -- unix/run/x": `--names-only: "unix/run/x" is not`,
		"--names-only machine/x":     `--names-only: "machine/x" is not`,
		"--names-only .host":         `--names-only: ".host" is not`,
		"--names-only vsock-mux/x":   `--names-only: "vsock-mux/x" is not`,
		"--names-only 2:0:0:0:0:1":   `--names-only: "2:0:0:0:0:1" is not`,
		"--names-only _ssh._tcp.x.y": `--names-only: "_ssh._tcp.x.y" is not`,
		"machine/a/b":                `"machine/a/b": a machine is written with its name`,
		"me@box":                     `"me@box": leave out the user`,
	} {
		if _, _, err := read(t, line); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("fdrace %s: %v; want %s", line, err, want)
		}
	}
}

func TestDialer(t *testing.T) {
	const sec = time.Second
	names := func(ts []engine.Transport) (names []string) {
		for _, tr := range ts {
			names = append(names, tr.Name)
		}
		return names
	}
	for line, want := range map[string]engine.Dialer{
		"box":                             {Timeout: 10 * sec, Delay: sec / 4},
		"-4 box":                          {Timeout: 10 * sec, Delay: sec / 4, Family: engine.IPv4},
		"-6w3 box":                        {Timeout: 3 * sec, Delay: sec / 4, Family: engine.IPv6},
		"-w 1.5 box":                      {Timeout: 1500 * time.Millisecond, Delay: sec / 4},
		"-w 250ms --delay 0.1 box":        {Timeout: sec / 4, Delay: sec / 10},
		"--head-start 1 box vpn":          {Timeout: 10 * sec, Delay: sec / 4, HeadStart: sec},
		"-b 127.0.0.1 box":                {Timeout: 10 * sec, Delay: sec / 4, Bind: netip.MustParseAddr("127.0.0.1")},
		"-B lo box":                       {Timeout: 10 * sec, Delay: sec / 4, Interface: "lo"},
		"--mptcp box":                     {Timeout: 10 * sec, Delay: sec / 4, Transports: []engine.Transport{{Name: "mptcp"}, {}}},
		"--require-mptcp box":             {Timeout: 10 * sec, Delay: sec / 4, Transports: []engine.Transport{{Name: "mptcp"}}},
		"--mptcp --require-mptcp -vv box": {Timeout: 10 * sec, Delay: sec / 4, Transports: []engine.Transport{{Name: "mptcp"}}},
	} {
		_, d, err := read(t, line)
		if err != nil {
			t.Errorf("fdrace %s: %v", line, err)
			continue
		}
		if !slices.Equal(names(d.Transports), names(want.Transports)) {
			t.Errorf("fdrace %s: transports %v, want %v", line, names(d.Transports), names(want.Transports))
		}
		if got := fmt.Sprint(d.Family, d.Timeout, d.Delay, d.HeadStart, d.Bind, d.Interface); got != fmt.Sprint(want.Family, want.Timeout, want.Delay, want.HeadStart, want.Bind, want.Interface) {
			t.Errorf("fdrace %s: %s", line, got)
		}
	}
}

// What is no use to --doctor is a mistake.
func TestDoctorUsage(t *testing.T) {
	for line, want := range map[string]string{
		"--doctor box vpn":       `"vpn": --doctor looks at one ALIAS at a time`,
		"--doctor -4 box":        "--doctor takes the flags of the race from the ProxyCommand",
		"--doctor --mptcp":       "of other flags it takes only -F and --json",
		"-F config box":          "--ssh-config is for --doctor and --jump",
		"--json box":             "--json is for --explain and --doctor",
		"--doctor box -F":        "--ssh-config",
		"--doctor -F config 4 5": `"5": --doctor looks at one ALIAS`,
	} {
		var o helper.Options
		_, err := readArgs(&o, strings.Fields(line))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fdrace %s: %v; want %s", line, err, want)
		}
	}
}
