//go:build unix

package helper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fdrace/internal/engine"
)

func str(s string) *string { return &s }

func TestProxyURLs(t *testing.T) {
	box := engine.Target{Host: "box", Port: 22}
	at := func(host string, port uint16) engine.Target { return engine.Target{Host: host, Port: port} }
	for url, want := range map[string]engine.Proxy{
		"socks5://proxy.lan":               {Server: at("proxy.lan", 1080)},
		"socks5h://proxy.lan:9050/":        {Server: at("proxy.lan", 9050)},
		"SOCKS5://192.0.2.3":               {Server: at("192.0.2.3", 1080)},
		"socks5://[2001:db8::3]:1":         {Server: at("2001:db8::3", 1)},
		"socks5://me:pw@proxy.lan":         {Server: at("proxy.lan", 1080), User: "me", Password: "pw"},
		"socks5://me@proxy.lan":            {Server: at("proxy.lan", 1080), User: "me"},
		"http://me:p%40w%3a@proxy.lan":     {Kind: engine.HTTP, Server: at("proxy.lan", 3128), User: "me", Password: "p@w:"},
		"http://me:p@w:x@proxy.lan:8080":   {Kind: engine.HTTP, Server: at("proxy.lan", 8080), User: "me", Password: "p@w:x"},
		"socks4a://me@[2001:db8::3]":       {Kind: engine.SOCKS4a, Server: at("2001:db8::3", 1080), User: "me"},
		"http://proxy.lan":                 {Kind: engine.HTTP, Server: at("proxy.lan", 3128)},
		"socks5://fe80::1%eth0":            {Server: at("fe80::1%eth0", 1080)},
		"socks5://localhost.:1080":         {Server: at("localhost.", 1080)},
		"http://%6d%65:pw@proxy.lan:3128/": {Kind: engine.HTTP, Server: at("proxy.lan", 3128), User: "me", Password: "pw"},
	} {
		o := Options{Words: []string{"box"}, Proxy: []string{url, url}}
		_, d, err := o.Plan()
		want.Target = box
		if err != nil || len(d.Proxies) != 1 || d.Proxies[0] != want {
			t.Errorf("%s: %+v, %v; want %+v", url, d, err, want)
		}
	}
}

// What cannot be followed is told in one line, without a password.
func TestProxyErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) *string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return &path
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Proxy: []string{"https://me:sesame@proxy"}}, "--proxy https://...@proxy: TLS to a proxy would need a relay"},
		{Options{Proxy: []string{"me:sesame@proxy"}}, "--proxy ...://...@proxy: write socks5://HOST"},
		{Options{Proxy: []string{"ftp://proxy"}}, "--proxy ftp://proxy: write socks5://HOST"},
		{Options{Proxy: []string{"socks5://me:sesame@"}}, "a host is missing"},
		{Options{Proxy: []string{"socks5://me:sesame@proxy:x"}}, `port "x" is not a number`},
		{Options{Proxy: []string{"socks5://me:ses%ame@proxy"}}, "write USER:PASSWORD before the @, with %25 for a %"},
		{Options{Proxy: []string{"socks5://:sesame@proxy"}}, "write USER:PASSWORD before the @"},
		{Options{Proxy: []string{"socks5://me:" + strings.Repeat("sesame", 50) + "@proxy"}}, "write USER:PASSWORD before the @"},
		{Options{Proxy: []string{"socks5://unix:/run/x"}}, "--proxy socks5://unix:/run/x"},
		{Options{Proxy: []string{"socks5://00:00:5e:00:53:01"}}, "a proxy is a host name or an address"},
		{Options{Proxy: []string{"socks5://_ssh._tcp.example.org"}}, "a proxy is a host name or an address"},
		{Options{Proxy: []string{"socks5://fe80::1"}}, "a proxy is a host name or an address"},
		{Options{Proxy: []string{"socks4a://me:sesame@proxy"}}, "SOCKS4a has no passwords: write socks5"},
		{Options{Words: []string{"2001:db8::1"}, Proxy: []string{"socks4a://proxy"}}, "SOCKS4a has no IPv6 addresses such as 2001:db8::1"},
		{Options{Proxy: []string{"http://m%3ae:sesame@proxy"}}, "a user name has no :"},
		{Options{Words: []string{"unix:/run/x", "fe80::1%lo"}, Proxy: []string{"socks5://proxy"}}, "no target is one"},
		{Options{RequireMPTCP: true, Proxy: []string{"socks5://proxy"}}, "--require-mptcp: what a proxy connects is not MPTCP"},
		{Options{ProxyAuth: str("x")}, "--proxy-auth is for a proxy: add --proxy"},
		{Options{NoDirect: true}, "--no-direct leaves no way to the target: add --proxy, --jump or --or"},
		{Options{NoDirect: true, Words: []string{"box", "vpn"}, Proxy: []string{"socks5://proxy"}}, "only the first target is asked for: leave out vpn"},
		{Options{ProxyAuth: str(dir + "/none"), Proxy: []string{"socks5://proxy"}}, "/none: no such file or directory"},
		{Options{ProxyAuth: file("wide", "me:sesame\n", 0o640), Proxy: []string{"socks5://proxy"}}, `/wide: others can read it (mode 0640): run "chmod 600 `},
		{Options{ProxyAuth: file("odd", "sesame\n", 0o600), Proxy: []string{"socks5://proxy"}}, "it has no line USER:PASSWORD"},
		{Options{ProxyAuth: file("empty", "", 0o600), Proxy: []string{"socks5://proxy"}}, "it has no line USER:PASSWORD"},
		{Options{ProxyAuth: file("good", "me:sesame\n", 0o600), Proxy: []string{"socks4a://proxy"}}, "SOCKS4a has no passwords"},
	} {
		if tt.o.Words == nil {
			tt.o.Words = []string{"box"}
		}
		_, _, err := tt.o.Plan()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v; want %s", tt.o.Proxy, err, tt.want)
		}
	}
}

// A login is for the proxies that have none of their own, and the first target
// that has a name is asked for.
func TestProxyLogin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth")
	if err := os.WriteFile(path, []byte("me:open sesame:\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Words: []string{"unix:/run/x", "box", "vpn", "23"}, ProxyAuth: &path, NoDirect: false,
		Proxy: []string{"http://proxy", "socks5://you:pw@proxy"},
	}
	targets, d, err := o.Plan()
	if err != nil || len(targets) != 3 {
		t.Fatal(targets, err)
	}
	box := engine.Target{Host: "box", Port: 23}
	for i, want := range []engine.Proxy{
		{Kind: engine.HTTP, Server: engine.Target{Host: "proxy", Port: 3128}, Target: box, User: "me", Password: "open sesame:"},
		{Server: engine.Target{Host: "proxy", Port: 1080}, Target: box, User: "you", Password: "pw"},
	} {
		if d.Proxies[i] != want {
			t.Errorf("%+v, want %+v", d.Proxies[i], want)
		}
	}
}
