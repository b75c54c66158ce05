//go:build unix

package doctor

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fdrace/internal/helper"
	"fdrace/internal/hostkey"
)

func TestConfigFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("a.conf", "HOST=included *.example.org\n")
	file := write("config", "# Host no\nHost box \"other box\" web? !bad\n\tUser me\nMatch host x !sessiontype exec\nmatch Tagged=x command y\nInclude \""+dir+"/*.conf\" \""+dir+"/config\"\nHost *\n")
	c := readConfigFiles(file)
	for alias, want := range map[string]bool{
		"box": true, "web1": true, "web12": false, "included": true, "a.example.org": true, "bocks": false, "no": false, "web[1]": false,
	} {
		if got := c.names(alias); got != want {
			t.Errorf("%s: %v, want %v", alias, got, want)
		}
	}
	if !slices.Equal(c.blind, []string{"sessiontype", "command"}) && !slices.Equal(c.blind, []string{"sessiontype", "tagged", "command"}) {
		t.Errorf("%q", c.blind)
	}
	if empty := readConfigFiles(filepath.Join(dir, "nowhere")); len(empty.hosts) > 0 {
		t.Errorf("%q", empty.hosts)
	}
}

// ssh finds its file in the home directory of the password database, and what that includes
// in $HOME.
func TestConfigHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.MkdirAll(home+"/.ssh", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tilde", ".ssh/relative"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte("Host "+filepath.Base(name)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("Include ~/tilde relative\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readConfigFiles(file).hosts; !slices.Equal(got, []string{"tilde", "relative"}) {
		t.Errorf("included: %q", got)
	}
	if got, want := userConfig(), hostkey.Home()+"/.ssh/config"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSplitArgs(t *testing.T) {
	for line, want := range map[string][]string{
		"": nil, " \t": nil, "a  b\tc ": {"a", "b", "c"}, `"a b" 'c d'`: {"a b", "c d"}, `a" "b`: {"a b"}, `""`: {""},
		`a\ b "a\ b" "\"" '\''`: {"a b", `a\ b`, `"`, `'`}, `a\b \`: {`a\b`, `\`}, `"'" '"'`: {"'", `"`},
		"a # b": {"a"}, "a#b": {"a#b"}, `"# a" b`: {"# a", "b"}, `"open a`: {"open a"},
	} {
		if got := splitArgs(line); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestCheckSpelling(t *testing.T) {
	c := configFile{hosts: []string{"box", "gateway", "db-1", "*.lan", "a", "!bacs"}}
	for alias, want := range map[string]string{
		"box": "", "x.lan": "", "bxo": "box", "bo": "box", "boxx": "box", "gatway": "gateway", "gaetway": "gateway", "BOX": "box", "bocks": "box",
		"db-2": "db-1", "mail": "", "b": "", "zzz": "", "": "",
	} {
		found := checkSpelling(alias, c)
		switch {
		case want == "" && len(found) > 0:
			t.Errorf("%s: %+v", alias, found)
		case want != "" && (len(found) != 1 || found[0].Remedy != "if so, run: ssh "+want):
			t.Errorf("%s: %+v, want %s", alias, found, want)
		}
	}
}

func TestCheckBlind(t *testing.T) {
	none := Finding{Check: "ProxyCommand", Status: Fail, Found: "none: ssh connects by itself", Remedy: "x", Where: InConfig}
	if got := checkBlind(none, configFile{}); got != none {
		t.Errorf("%+v", got)
	}
	got := checkBlind(none, configFile{blind: []string{"sessiontype", "tagged"}})
	if got.Status != Warn || got.Found != "none: ssh connects by itself; but there is a Match sessiontype and tagged, which ssh -G cannot evaluate" || got.Where != ByHand {
		t.Errorf("%+v", got)
	}
}

// Of a ProxyCommand that is not plainly fdrace there is one finding, with the lines that
// mend it; more is checked where it is known how fdrace will run.
func TestCheckCommand(t *testing.T) {
	const block = "Host box\n    ProxyCommand fdrace -- %h %p\n    ProxyUseFdpass yes"
	for _, tt := range []struct {
		config, found, remedy string
		status                Status
		more                  bool
	}{
		{"proxycommand fdrace -- %h %p", "fdrace -- %h %p", "", OK, true},
		{"", "none: ssh connects by itself", block, Fail, false},
		{"hostname box", "none: ssh connects by itself", block + "\n# if box is not its name in DNS, this prints a block: fdrace --setup box HOSTNAME", Fail, false},
		{"proxyjump me@hop:7", "none: ProxyJump me@hop:7 comes first, so ssh ignores ProxyCommand", block + "\n# to keep the jump host: ProxyCommand fdrace --jump me@hop:7 -- %h %p", Fail, false},
		{"proxycommand nc %h %p", "nc %h %p: the ProxyCommand in effect is not fdrace", block, Fail, false},
		{"proxycommand nc -F %h %p\nproxyusefdpass yes", "nc -F %h %p: the ProxyCommand in effect is not fdrace", block, Fail, false},
		{"proxycommand nc %h %p\nproxyusefdpass yes", "nc %h %p: the ProxyCommand in effect is not fdrace; ProxyUseFdpass is yes, but nc does not pass a descriptor: ssh fails with a line about mm_receive_fd",
			block + "\n# or, to keep nc, only this:\n# Host box\n#     ProxyUseFdpass no", Fail, false},
		{"proxycommand ssh -W %h:%p hop || nc %h %p", "ssh -W %h:%p hop || nc %h %p: the ProxyCommand in effect is not fdrace", block, Fail, false},
		{"proxycommand fdrce -- %h %p", "fdrce -- %h %p: did you mean fdrace?", "Host box\n    ProxyCommand fdrace -- %h %p", Fail, true},
		{"proxycommand env A=b /opt/fdrcae %h", "env A=b /opt/fdrcae %h: did you mean /opt/fdrace?", "Host box\n    ProxyCommand env A=b /opt/fdrace %h", Fail, true},
		{`proxycommand "fdrace -- %h %p"`, `"fdrace -- %h %p": the shell reads what is in quotes as the name of one program`, "Host box\n    ProxyCommand fdrace -- %h %p", Fail, true},
		{"proxycommand true && fdrace -- %h '[::1]:22'", "true && fdrace -- %h '[::1]:22': ssh runs only the first command of a line, as it writes exec before the line",
			"Host box\n    ProxyCommand sh -c 'true && fdrace -- %h '\\''[::1]:22'\\'''", Fail, false},
		{"proxycommand fdrace -- %h %p || nc %h %p", "fdrace -- %h %p || nc %h %p: ssh runs only the first command of a line, as it writes exec before the line", "let fdrace run the other command, as in: fdrace --or 'nc %h %p' -- %h %p", Warn, false},
		{"proxycommand fdrace -- %h %p | tee log", "fdrace -- %h %p | tee log: its output goes into a pipe, and not to ssh", "remove the | and what follows it: fdrace passes its connection by its stdout, which ssh has to have", Fail, false},
		{"proxycommand bash -c 'fdrace -- %h %p'\nproxyusefdpass yes", "bash -c 'fdrace -- %h %p': the doctor cannot look inside bash", "for the other checks, make fdrace the first word of the ProxyCommand for a while", Warn, false},
		{"proxycommand fdrace $HOSTS", "fdrace $HOSTS: only the shell can tell what its '$' means", "to check further, write the fdrace command without it", Warn, false},
	} {
		c := parseConfig(tt.config)
		l := &login{host: "box", config: c, command: c["proxycommand"]}
		f := l.checkCommand()
		if f.Found != tt.found || f.Remedy != tt.remedy || f.Status != tt.status || (l.words != nil) != tt.more {
			t.Errorf("%s:\n%+v, %v", tt.config, f, l.words)
		}
	}
}

// The file that has what ssh discards is named.
func TestCheckLog(t *testing.T) {
	t.Setenv("FDRACE_LOG", "")
	for command, want := range map[string]string{
		"fdrace -- %h":                          "a failed login does not say why",
		"fdrace --log a -- %h":                  "it is also in a",
		"env FDRACE_LOG=b fdrace -- %h":         "it is also in b",
		"env FDRACE_LOG=b fdrace --log a -- %h": "it is also in a",
		"fdrace -- %h 2>>c":                     "it is also in the file after 2>",
	} {
		l := &login{host: "box", config: sshConfig{"controlpath": "x", "controlpersist": "yes", "proxycommand": command}, command: command}
		if f := l.checkCommand(); f.Status != OK {
			t.Fatalf("%s: %+v", command, f)
		}
		if strings.Contains(command, "--log") {
			l.options.Log = "a"
		}
		if found := l.checkLog(); len(found) != 1 || !strings.HasSuffix(found[0].Found, want) {
			t.Errorf("%s: %+v", command, found)
		}
	}
}

func TestToTest(t *testing.T) {
	for jump, want := range map[string]string{
		"": "", "hop": "; to test it, run: ssh hop true", "me@hop=box:22": "; to test it, run: ssh me@hop true", "a,b": "", "hop:2222": "",
	} {
		if got := toTest(strings.Fields(jump), nil); got != want {
			t.Errorf("%s: %s", jump, got)
		}
	}
	config := "my config"
	if got, want := toTest([]string{"hop"}, &config), "; to test it, run: ssh -F 'my config' hop true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Each keyword names the flag in its place, and the last remedy has all of them.
func TestCheckKeywords(t *testing.T) {
	text := "addressfamily inet6\nbindaddress 192.0.2.7\nbindinterface eth0\nconnecttimeout 5\ncanonicalizehostname true\n"
	name := "x"
	l := func(o helper.Options) *login {
		words, _ := splitWords("fdrace -- %h %p")
		return &login{host: "box", config: parseConfig(text), command: "fdrace -- %h %p", words: words, options: o}
	}
	all := l(helper.Options{}).checkKeywords()
	var checks []string
	for _, f := range all {
		checks = append(checks, f.Check)
	}
	if got := strings.Join(checks, " "); got != "AddressFamily BindAddress BindInterface ConnectTimeout CanonicalizeHostname" {
		t.Fatal(got)
	}
	if want := "Host box\n    ProxyCommand fdrace -w 5 -B eth0 -b 192.0.2.7 -6 -- %h %p"; all[3].Remedy != want {
		t.Errorf("%s, want %s", all[3].Remedy, want)
	}
	rest := l(helper.Options{IPv6: true, BindAddress: &name, EveryInterface: true}).checkKeywords()
	if len(rest) != 2 || rest[0].Check != "ConnectTimeout" {
		t.Errorf("%+v", rest)
	}
	for o, want := range map[*helper.Options]string{
		{IPv4: true, Words: []string{"box"}}:                      "remove the line AddressFamily inet6",
		{Words: []string{"192.0.2.5", "22"}}:                      "remove the line AddressFamily inet6",
		{Words: []string{"192.0.2.5", "box"}, BindAddress: &name}: "Host box\n    ProxyCommand fdrace -6 -- %h %p",
		{Words: []string{"192.0.2.5", "2001:db8::5", "22"}}:       "Host box\n    ProxyCommand fdrace -6 -- %h %p",
	} {
		if got := l(*o).checkKeywords()[0]; got.Check != "AddressFamily" || got.Remedy != want {
			t.Errorf("%v: %s, want %s", o.Words, got.Remedy, want)
		}
	}
	text = "addressfamily any\nconnecttimeout none\nbindinterface none\ncanonicalizehostname always\n"
	if none := l(helper.Options{}).checkKeywords(); len(none) > 0 {
		t.Errorf("%+v", none)
	}
}

func TestDeadLine(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	sockets := map[string]bool{"77": true}
	for _, tt := range []struct{ line, want string }{
		{"0: 010200C0:C350 050200C0:0016 01 00000000:00000000 02:000A 00000000 0 0 77 2", ""},
		{"0: 010200C0:C350 050200C0:0016 01 00000000:00000000 01:000A 00000003 0 0 77 2", "192.0.2.5 does not answer any more"},
		{"0: 090200C0:C350 050200C0:0016 01 00000000:00000000 02:000A 00000000 0 0 77 2", "it comes from 192.0.2.9, which this machine does not have any more"},
		{"0: 090200C0:C350 050200C0:0016 01 00000000:00000000 02:000A 00000000 0 0 78 2", ""}, // another's
		{"0: 090200C0:C350 050200C0:0016 06 00000000:00000000 02:000A 00000000 0 0 77 2", ""}, // closed
		{"0: 0100007F:C350 0100007F:0016 01 00000000:00000000 02:000A 00000000 0 0 77 2", ""},
		{"0: B80D0120000000000000000002000000:C350 B80D0120000000000000000005000000:0016 01 0:0 02:0 00000000 0 0 77 2",
			"it comes from 2001:db8::2, which this machine does not have any more"},
		{"0: xx:C350 050200C0:0016 01 0:0 02:0 00000000 0 0 77 2", ""},
		{"sl local_address", ""},
		{"", ""},
	} {
		if got := deadLine(strings.Fields(tt.line), sockets, own); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func FuzzDeadLine(f *testing.F) {
	f.Add("0: 010200C0:C350 050200C0:0016 01 00000000:00000000 01:000A 00000003 0 0 77 2")
	f.Fuzz(func(t *testing.T, line string) {
		if got := deadLine(strings.Fields(line), map[string]bool{"77": true}, nil); strings.ContainsAny(got, "\n\x1b") {
			t.Errorf("%q", got)
		}
	})
}

// ssh_config(5) of OpenSSH 10 has RefuseConnection: ssh -G prints it, and ssh ends.
func TestReadConfig(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	for _, tt := range []struct{ script, found, remedy string }{
		{"echo hostname box; echo 'refuseconnection moved to newbox'", "RefuseConnection: moved to newbox", "remove RefuseConnection from its block: with it, ssh does not connect"},
		{"echo 'line 3: Bad configuration option: x' >&2; exit 255", "ssh -G -- box box: line 3: Bad configuration option: x", "correct that line, or choose another file with -F"},
		{"echo 'unknown key %e' >&2; exit 255", "ssh -G -- box box: unknown key %e", "write each literal % twice, as in HostName fe80::1%%eth0"},
	} {
		if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		c, f := readConfig("box", "")
		if c != nil || f.Status != Fail || f.Found != strings.Replace(tt.found, "-G -- box box", "-G box", 1) || f.Remedy != tt.remedy {
			t.Errorf("%s: %+v", tt.script, f)
		}
	}
}
