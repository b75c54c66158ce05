package hostkey

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fdrace/internal/term"
)

func TestVerdict(t *testing.T) {
	const head = "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1\n" +
		"debug1: using hostkeyalias: box\ndebug1: Server host key: ssh-ed25519 SHA256:x\n"
	for _, tt := range []struct {
		name, said string
		ended      bool
		want       string
	}{
		{"nothing yet", "", false, ErrPending.Error()},
		{"half a line", head + "debug1: Host 'box' is known and matches the ED255", false, ErrPending.Error()},
		{"a key", head + "debug1: Host 'box' is known and matches the ED25519 host key.\n", false, ""},
		{"a certificate", head + "debug1: Host 'box' is known and matches the ED25519-CERT host certificate.\n", false, ""},
		{"it went on", "debug1: Authentications that can continue: publickey,password\n", false, ""},
		{"a server that pretends", "debug1: kex_exchange_identification: banner line 0: x: Permission denied (\ndebug1: Remote: y: Permission denied (publickey)\n", false, ErrPending.Error()},
		{"another key", head + "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n", false, ErrMismatch.Error()},
		{"a key of another type", head + "No ED25519 host key is known for box and you have requested strict checking.\r\nHost key verification failed.\r\n", true, ErrMismatch.Error()},
		{"a version that pretends", "debug1: Remote protocol version 2.0, remote software version Host 'box' is known and matches the \n", false, ErrPending.Error()},
		{"penalized", "debug1: kex_exchange_identification: banner line 0: Not allowed at this time\nkex_exchange_identification: Connection closed by remote host\nConnection closed by 192.0.2.1 port 22\n", true,
			`cannot check the host key: the server said: "Not allowed at this time"`},
		{"no algorithm in common", head + "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa\n", true,
			"cannot check the host key: Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa"},
		{"nothing at all", "debug1: x\n", true, "cannot check the host key: ssh ended without a message"},
	} {
		got := ""
		if err := Verdict(tt.said, tt.ended); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What ssh-keygen finds by either name, hashed or by a pattern, is found under one.
func TestFind(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip(err, " (Debian: apt install openssh-client)")
	}
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVtcHR5ZW1wdHllbXB0eWVtcHR5ZW1wdHllbXB0"
	key2 := strings.Replace(key, "GVt", "GVu", 1)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hashed := file("hashed", "box "+key+" me@here\n")
	if out, err := exec.Command(keygen, "-q", "-H", "-f", hashed).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	for _, tt := range []struct {
		name, text, want string
		known            bool
	}{
		{"a name", "other " + key + "\nbox,192.0.2.1 " + key + " comment\n", "box " + key, true},
		{"with a port", "[box]:2222 " + key + "\n", "box " + key, true},
		{"with another port", "[box]:22222 " + key + "\n", "", false},
		{"with a port that has its own", "box " + key2 + "\n[box]:2222 " + key + "\n", "box " + key, true},
		{"with a port that has only an authority", "box " + key + "\n@cert-authority box " + key2 + "\n@cert-authority [box]:2222 " + key + "\n",
			"@cert-authority box " + key + "\nbox " + key, true},
		{"a key that is revoked without a port", "@revoked box " + key2 + "\n@revoked [box]:2222 " + key + "\n[box]:2222 " + key2 + "\n",
			"@revoked box " + key + "\nbox " + key2 + "\n@revoked box " + key2, true},
		{"a pattern", "*,!other " + key + "\n", "box " + key, true},
		{"an authority", "@cert-authority b?x " + key + "\n", "@cert-authority box " + key, true},
		{"a revoked key", "@revoked box " + key + "\n", "@revoked box " + key, false},
		{"nonsense", "box\n\x00\n@\nbox ssh-ed25519\n", "", false},
	} {
		k, err := Find(keygen, "Box", 2222, []string{file("plain", tt.text), filepath.Join(dir, "missing"), dir})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(k.lines)); got != tt.want || k.Known() != tt.known {
			t.Errorf("%s: known %v:\n%s\nwant %v:\n%s", tt.name, k.Known(), got, tt.known, tt.want)
		}
	}
	k, err := Find(keygen, "box", 22, []string{hashed})
	if err != nil || string(k.lines) != "box "+key+"\n" {
		t.Errorf("hashed: %q, %v", k.lines, err)
	}
	for text, want := range map[string]string{
		"box " + key + "\n[box]:2222 " + key2 + "\n": "ssh-keygen -R '[box]:2222' -f ",
		"box " + key + "\n":                          "ssh-keygen -R box -f ",
	} {
		path := file("entry", text)
		k, err := Find(keygen, "box", 2222, []string{filepath.Join(dir, "missing"), path, hashed})
		if err != nil || k.RemoveCommand() != want+term.Quote(path) {
			t.Errorf("%s, %v, want %s%s", k.RemoveCommand(), err, want, path)
		}
	}
	for _, tt := range []struct{ entry, file, want string }{
		{"box", Files()[0], "ssh-keygen -R box"},
		{"[box]:2222", "a b/it's", `ssh-keygen -R '[box]:2222' -f 'a b/it'\''s'`},
		{"a$b;c", "/known", "ssh-keygen -R 'a$b;c' -f /known"},
	} {
		if got := (&Keys{entry: tt.entry, file: tt.file}).RemoveCommand(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	if _, err := Find(dir+"/none", "box", 22, []string{hashed}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without ssh-keygen: %v", err)
	}
	killed := file("fdrace-known-hosts-1", "x")
	if err := os.Chtimes(killed, time.Now(), time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	running := file("fdrace-known-hosts-2", "x")
	path, err := k.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed); err == nil {
		t.Error("what a killed process left stays")
	}
	if _, err := os.Stat(running); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != string(k.lines) {
		t.Errorf("%q, %v", text, err)
	}
	for _, dir := range []string{"", "run", "/tmp/%h", "/tmp/${HOME}", `/tmp/"`} {
		if path, err := k.Write(dir); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%q: %s, %v", dir, path, err)
		}
	}
	if args := strings.Join(k.Args("/run/user 1/x"), " "); !strings.Contains(args, `-o HostKeyAlias=box -o UserKnownHostsFile="/run/user 1/x"`) {
		t.Error(args)
	}
}
