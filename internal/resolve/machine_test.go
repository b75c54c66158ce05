package resolve

import (
	"bufio"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machined answers what it is asked from known.
func machined(t *testing.T, run string, known map[string]string) {
	t.Helper()
	dir := filepath.Join(run, "systemd/machine")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "io.systemd.Machine"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked, _ := bufio.NewReader(c).ReadString(0)
			answer := `{"error":"io.systemd.Machine.NoSuchMachine"}`
			for name, a := range known {
				if strings.Contains(asked, `"io.systemd.Machine.List"`) && strings.Contains(asked, `"`+name+`"`) {
					answer = a
				}
			}
			c.Write([]byte(answer + "\x00"))
			c.Close()
		}
	}()
}

func TestMachine(t *testing.T) {
	dir := t.TempDir()
	user := filepath.Join(dir, "u")
	t.Setenv("XDG_RUNTIME_DIR", user)
	systemRun = filepath.Join(dir, "s")
	t.Cleanup(func() { systemRun = "/run" })

	if _, err := Machine(context.Background(), "box"); err == nil || !strings.Contains(err.Error(), "systemd-machined does not run") {
		t.Errorf("without a daemon: %v", err)
	}
	machined(t, user, map[string]string{
		"mine": `{"parameters":{"name":"mine","class":"vm","vSockCid":7}}`,
		"cont": `{"parameters":{"name":"cont","class":"container","service":"systemd-nspawn"}}`,
	})
	machined(t, systemRun, map[string]string{
		"mine":   `{"parameters":{"class":"vm","vSockCid":8}}`,
		"theirs": `{"parameters":{"class":"vm","vSockCid":9}}`,
		"box":    `{"parameters":{"class":"container","service":"systemd-nspawn"}}`,
		"lxc":    `{"parameters":{"class":"container","service":"libvirt-lxc"}}`,
		"deaf":   `{"parameters":{"class":"vm"}}`,
		"any":    `{"parameters":{"class":"vm","vSockCid":4294967295}}`,
		"odd":    `{"error":"org.varlink.service.PermissionDenied"}`,
		"junk":   `junk`,
	})
	for name, want := range map[string]string{
		"mine":   "vsock:7",
		"theirs": "vsock:9",
		"cont":   "unix:" + user + "/systemd/nspawn/unix-export/cont/ssh",
		"box":    "unix:" + systemRun + "/systemd/nspawn/unix-export/box/ssh",
		"lxc":    "a container of libvirt-lxc, which has no socket for ssh",
		"deaf":   "the machine has no vsock",
		"any":    "the machine has no vsock",
		"odd":    "systemd-machined: org.varlink.service.PermissionDenied",
		"junk":   "systemd-machined: an answer that is not understood",
		"nobody": "no such machine",
	} {
		s, err := Machine(context.Background(), name)
		got := s.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("machine/%s: %s, want %s", name, got, want)
		}
	}
}

func TestParseMachine(t *testing.T) {
	for word, want := range map[string]string{"machine/box": "box", "machine%box-1.x_y": "box-1.x_y", "machine": "", "machinebox": "", "box/machine": ""} {
		if name, is, err := ParseMachine(word); name != want || is != (want != "") || err != nil {
			t.Errorf("%q: %q, %v, %v", word, name, is, err)
		}
	}
	for _, word := range []string{"machine/", "machine/../x", "machine/a/b", "machine/a..b", "machine/a b", "machine%.x", "machine/" + strings.Repeat("x", 65)} {
		if _, is, err := ParseMachine(word); !is || err == nil {
			t.Errorf("%q: %v, %v", word, is, err)
		}
	}
}
