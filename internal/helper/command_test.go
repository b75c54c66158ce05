//go:build unix

package helper

import (
	"slices"
	"strings"
	"testing"

	"fdrace/internal/engine"
)

func TestJump(t *testing.T) {
	targets := []engine.Target{{Host: "unix:/run/x", Port: 22}, {Host: "box", Port: 23}, {Host: "vpn", Port: 22}}
	config := "cfg"
	for word, want := range map[string]string{
		"bastion":                   "ssh -F cfg -W [box]:23 -- bastion",
		"me@bastion:2222":           "ssh -F cfg -l me -p 2222 -W [box]:23 -- bastion",
		"me@a@bastion":              "ssh -F cfg -l me@a -W [box]:23 -- bastion",
		"a:1,me@b,c":                "ssh -F cfg -J a:1,me@b -W [box]:23 -- c",
		"[2001:db8::1]:2222":        "ssh -F cfg -p 2222 -W [box]:23 -- 2001:db8::1",
		"2001:db8::1":               "ssh -F cfg -W [box]:23 -- 2001:db8::1",
		"[2001:db8::1]":             "ssh -F cfg -W [box]:23 -- 2001:db8::1",
		"bastion=10.20.0.7":         "ssh -F cfg -W [10.20.0.7]:22 -- bastion",
		"bastion=inside:24":         "ssh -F cfg -W [inside]:24 -- bastion",
		"bastion=[2001:db8::7]:24":  "ssh -F cfg -W [2001:db8::7]:24 -- bastion",
		"bastion=2001:db8::7":       "ssh -F cfg -W [2001:db8::7]:22 -- bastion",
		"-bastion":                  "write [USER@]HOST[:PORT]",
		"-oProxyCommand=true":       "write [USER@]HOST[:PORT]",
		"me@-bastion":               "write [USER@]HOST[:PORT]",
		"-me@bastion":               "write [USER@]HOST[:PORT]",
		"-a,bastion":                "write [USER@]HOST[:PORT]",
		"a bastion":                 "write [USER@]HOST[:PORT]",
		"ssh://bastion":             "write [USER@]HOST[:PORT]",
		"me@":                       "write [USER@]HOST[:PORT]",
		"bastion:ssh":               `port "ssh" is not a number`,
		"bastion=unix:/run/x":       "a jump host is asked for a host name or an address",
		"bastion=":                  "a host is missing",
		"bastion=00:00:5e:00:53:01": "a jump host is asked for a host name or an address",
	} {
		j, err := parseJump(word, targets)
		got := strings.Join(j.args(&config), " ")
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || !strings.HasPrefix(got, want) && !strings.Contains(got, want) {
			t.Errorf("--jump %s: %s; want %s", word, got, want)
		}
	}
	if _, err := parseJump("bastion", targets[:1]); err == nil || !strings.Contains(err.Error(), "write bastion=TARGET") {
		t.Error(err)
	}
}

// Which lanes there are: what is on the way already is not started again.
func TestCommandLanes(t *testing.T) {
	t.Setenv("SHELL", "")
	or := func() string {
		t.Setenv(jumpEnv, "")
		_, d, err := (&Options{Words: []string{"box"}, Or: []string{"nc -X %h"}}).Plan()
		if err != nil || len(d.Commands) != 1 {
			t.Fatal(d, err)
		}
		return d.Commands[0].Name
	}()
	if or != "--or nc" {
		t.Errorf("%q", or)
	}
	for _, tt := range []struct {
		env  string
		o    Options
		want string
	}{
		{"", Options{Jump: []string{"a", "me@b:1,c"}, Or: []string{"nc -P secret x", "PW=secret nc"}}, "--jump a|--jump me@b:1,c|--or nc|--or"},
		{"jump:a", Options{Jump: []string{"me@A:22", "b"}}, "--jump b"},
		{"jump:c jump:b", Options{Jump: []string{"a,b", "a"}}, "--jump a"},
		{"", Options{Jump: []string{"box", "a"}}, "--jump a"},
		{"", Options{Jump: []string{"me@Box:22", "a"}}, "--jump a"},
		{"", Options{Jump: []string{"me@box:23", "a"}}, "--jump me@box:23|--jump a"},
		{"", Options{Jump: []string{"box=box:2222"}}, "--jump box"}, // another sshd on the same machine
		{"or:7e1f", Options{Or: []string{"x"}}, "--or x"},
	} {
		t.Setenv(jumpEnv, tt.env)
		tt.o.Words = []string{"box"}
		_, d, err := tt.o.Plan()
		if err != nil {
			t.Errorf("%+v: %v", tt.o, err)
			continue
		}
		var names []string
		for _, c := range d.Commands {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, "|"); got != tt.want {
			t.Errorf("%+v below %q: %s, want %s", tt.o, tt.env, got, tt.want)
		}
	}
}

func TestCommandErrors(t *testing.T) {
	second := new(span)
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Fallback: second}, "--fallback is for --jump and --or: add one of them"},
		{Options{Jump: []string{"a"}, RequireMPTCP: true}, "--require-mptcp: what --jump connects is not MPTCP"},
		{Options{Or: []string{"a"}, BindAddress: str("127.0.0.1")}, "--bind-address does not reach the program that --or runs"},
		{Options{Jump: []string{"a"}, Interface: str("lo")}, "--interface does not reach the program that --jump runs"},
		{Options{Or: []string{" "}}, "--or: a command is missing"},
		{Options{Jump: []string{"-a"}}, "--jump -a: write [USER@]HOST[:PORT]"},
		{Options{Jump: []string{"box"}, NoDirect: true}, "--no-direct leaves no way to the target: the only jump host is the target itself"},
	} {
		tt.o.Words = []string{"box"}
		_, _, err := tt.o.Plan()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v; want %s", tt.o, err, tt.want)
		}
	}
}

// A host name from a URL cannot choose a program, nor a proxy.
func TestTargetsStartNothing(t *testing.T) {
	for _, word := range []string{"--jump=a", "socks5://proxy", "|id", "$(id)", "-oProxyCommand=id", "bastion=box", "a,b"} {
		_, d, err := (&Options{Words: []string{word}}).Plan()
		if err == nil && (len(d.Proxies) > 0 || len(d.Commands) > 0 || slices.Contains(d.Hangup, 0)) {
			t.Errorf("%q: %+v", word, d)
		}
	}
}
