//go:build unix

package doctor

import (
	"strings"
	"testing"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
)

func TestCheckPort(t *testing.T) {
	for _, tt := range []struct{ port, command, want string }{
		{"2222", "fdrace -- %h", "fdrace -- %h %p"},
		{"2222", "fdrace -- %h 2>>log # x", "fdrace -- %h %p 2>>log # x"},
		{"2222", "fdrace -- %h %p", ""},
		{"2222", "fdrace -- %h:%p", ""},
		{"2222", "fdrace -- box 22", ""},
		{"2222", "fdrace -- box:2222", ""},
		{"22", "fdrace -- %h", ""},
		{"", "fdrace -- %h", ""},
	} {
		words, _ := splitWords(tt.command)
		l := &login{host: "box", config: sshConfig{"port": tt.port, "hostname": "box"}, command: tt.command, words: words}
		l.options = helper.Options{Words: l.arguments()[1:]}
		targets, err := l.options.Targets()
		if err != nil {
			t.Fatal(err)
		}
		found := l.checkPort(targets)
		switch {
		case tt.want == "" && len(found) > 0:
			t.Errorf("%s with Port %s: %+v", tt.command, tt.port, found)
		case tt.want != "" && (len(found) != 1 || !strings.HasSuffix(found[0].Remedy, "ProxyCommand "+tt.want) || !l.noPort):
			t.Errorf("%s with Port %s: %+v", tt.command, tt.port, found)
		}
	}
	if l := (&login{config: sshConfig{"port": "2222"}, options: helper.Options{Port: new(string)}}); l.checkPort([]engine.Target{{Port: 22}}) != nil {
		t.Error("-p is a port, too")
	}
}

func TestUseAddress(t *testing.T) {
	l := &login{host: "box", config: sshConfig{"hostname": "box.lan"}}
	for name, want := range map[string]string{
		"box.lan.": "replace HostName box.lan in the block by HostName ADDRESS",
		"box.vpn":  "write the address in its place in the ProxyCommand",
	} {
		if got := l.useAddress(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	l.config["hostname"] = "box"
	if got := l.useAddress("box"); got != "add the address to the block: HostName ADDRESS" {
		t.Error(got)
	}
}
