package resolve

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fdrace/internal/term"
)

// machined replies to requests for the names in known, and of others that it does not
// know them.
func machined(t *testing.T, runDir string, known map[string]string) {
	t.Helper()
	dir := filepath.Join(runDir, "systemd/machine")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "io.systemd.Machine"))
	if err != nil {
		t.Fatal(err)
	}
	daemon{0, func(request string) string {
		for name, reply := range known {
			if request == `{"method":"io.systemd.Machine.List","parameters":{"name":"`+name+`"}}` {
				return reply
			}
		}
		return `{"error":"io.systemd.Machine.NoSuchMachine"}` + "\x00"
	}}.serve(t, l)
}

func TestMachine(t *testing.T) {
	noLeak(t)
	dir := t.TempDir()
	user, system := filepath.Join(dir, "u"), filepath.Join(dir, "s")
	t.Setenv("XDG_RUNTIME_DIR", user)
	runDir = system
	t.Cleanup(func() { runDir = "/run" })
	ctx := context.Background()

	if _, err := Machine(ctx, "box"); !errors.Is(err, errNoMachine) || !strings.Contains(err.Error(), "systemd-machined does not run") {
		t.Errorf("without a daemon: %v", err)
	}
	machined(t, user, map[string]string{
		"mine": `{"parameters":{"name":"mine","class":"vm","vSockCid":7}}` + "\x00",
		"cont": `{"parameters":{"name":"cont","class":"container","service":"systemd-nspawn"}}` + "\x00",
		"bad":  `{"parameters":{"class":7}}` + "\x00",
	})
	machined(t, system, map[string]string{
		"mine":   `{"parameters":{"class":"vm","vSockCid":8}}` + "\x00",
		"bad":    `{"parameters":{"class":"vm","vSockCid":8}}` + "\x00",
		"theirs": `{"parameters":{"class":"vm","vSockCid":9}}` + "\x00",
		"box":    `{"parameters":{"class":"container","service":"systemd-nspawn"}}` + "\x00",
		"lxc":    `{"parameters":{"class":"container","service":"libvirt-lxc"}}` + "\x00",
		"long":   `{"parameters":{"class":"container","service":"` + strings.Repeat("x", 1000) + `"}}` + "\x00",
		"none":   `{"parameters":{"class":"vm"}}` + "\x00",
		"any":    `{"parameters":{"class":"vm","vSockCid":4294967295}}` + "\x00",
		"denied": `{"error":"org.varlink.service.PermissionDenied"}` + "\x00",
		"text":   "junk\x00",
		"half":   `{"parameters":{"class":"vm"`,
		"junk":   strings.Repeat("x", junkSize) + "\x00",
	})
	for name, want := range map[string]string{
		"mine":   "vsock:7",
		"theirs": "vsock:9",
		"cont":   "unix:" + user + "/systemd/nspawn/unix-export/cont/ssh",
		"box":    "unix:" + system + "/systemd/nspawn/unix-export/box/ssh",
		"bad":    "systemd-machined: malformed reply", // the system's is not asked
		"lxc":    `a container of "libvirt-lxc", which has no socket for ssh`,
		"long":   `a container of "` + strings.Repeat("x", term.MaxForeign-3) + `..."`,
		"none":   "the machine has no vsock",
		"any":    "the machine has no vsock",
		"denied": "systemd-machined: error PermissionDenied",
		"text":   "systemd-machined: malformed reply",
		"half":   "systemd-machined: the connection was closed before the reply was complete: unexpected EOF",
		"junk":   "systemd-machined: malformed reply of more than 65536 bytes",
		"nobody": "no such machine",
	} {
		s, err := Machine(ctx, name)
		got := s.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) || len(got) > 400 {
			t.Errorf("machine/%s: %s, want %s", name, got, want)
		}
	}
	if _, err := Machine(ctx, "half"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a reply: %v", err)
	}

	// Without XDG_RUNTIME_DIR the user's directory is below that of the system.
	t.Setenv("XDG_RUNTIME_DIR", "")
	if s, err := Machine(ctx, "mine"); err != nil || s.CID != 8 {
		t.Errorf("without XDG_RUNTIME_DIR: %v, %v", s, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if s, err := Machine(canceled, "mine"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v, %v", s, err)
	}
}

func TestParseMachine(t *testing.T) {
	for word, want := range map[string]string{"machine/box": "box", "machine%box-1.x_y": "box-1.x_y", "machine": "", "machinebox": "", "box/machine": "", "machine/.host": "", "machine%.host": ""} {
		if name, ok, err := ParseMachine(word); name != want || ok != (want != "") || err != nil {
			t.Errorf("%q: %q, %v, %v", word, name, ok, err)
		}
	}
	for _, word := range []string{"machine/", "machine/../x", "machine/a/b", "machine/a..b", "machine/a b", "machine%.x", "machine/" + strings.Repeat("x", 65)} {
		if _, ok, err := ParseMachine(word); !ok || err == nil {
			t.Errorf("%q: %v, %v", word, ok, err)
		}
	}
}
