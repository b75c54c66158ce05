//go:build linux

package helper

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/hostkey"
	"fdrace/internal/state"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

func TestIsAmbiguous(t *testing.T) {
	for word, want := range map[string]bool{
		"10.0.0.1": true, "172.16.0.1": true, "192.168.1.65": true, "fd99::1": true, "fe80::1": true, "169.254.1.1": true,
		"100.64.0.1": true, "100.127.255.255": true, "100.128.0.1": false, "100.63.0.1": false,
		"192.0.2.1": false, "2001:db8::1": false, "127.0.0.1": false,
	} {
		if got := IsAmbiguous(netip.MustParseAddr(word)); got != want {
			t.Errorf("%s: %v", word, got)
		}
	}
	public := engine.Peer{Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:22")}}
	for host, want := range map[string]bool{"box.example.org": false, "box.local": true, "00:00:5e:00:53:01": true} {
		if got := isAmbiguous(public, []engine.Target{{Host: host, Port: 22}}); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	proxied := engine.Peer{Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("10.0.0.8:1080"), Proxy: &engine.Proxy{}}}
	if isAmbiguous(proxied, nil) {
		t.Error("what is behind a proxy is another network's")
	}
}

// checkerOf returns one for a host that known_hosts has, with a place for its memory;
// a peer; and a connection to it.
func checkerOf(t *testing.T) (c *checker, p engine.Peer, fd int) {
	t.Helper()
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip(err, " (Debian: apt install openssh-client)")
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	known := filepath.Join(dir, "known_hosts")
	line := "box ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVtcHR5ZW1wdHllbXB0eWVtcHR5ZW1wdHllbXB0\n"
	if err := os.WriteFile(known, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(known, past, past); err != nil {
		t.Fatal(err)
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 22, Addr: [4]byte{127, 0, 0, 1}}); err != nil { // UDP: nothing is sent
		t.Fatal(err)
	}
	p = engine.Peer{Addr: engine.Addr{AddrPort: netip.MustParseAddrPort("127.0.0.1:22")}}
	return &checker{name: "Box", always: true, files: []string{known}, dirs: []string{dir}, keygen: keygen, now: time.Now}, p, fd
}

// again is another process' checker.
func (c *checker) again() *checker {
	return &checker{name: c.name, always: c.always, files: c.files, dirs: c.dirs, ssh: c.ssh, keygen: c.keygen, now: c.now}
}

func TestCheckerRemembers(t *testing.T) {
	const matches = "debug1: Host 'box' is known and matches the ED25519 host key.\n"
	c, p, fd := checkerOf(t)
	if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
		t.Fatal(err)
	}
	if err := c.verdict(p, "debug1: x\n", false); err != engine.ErrUnchecked {
		t.Errorf("without a verdict: %v", err)
	}
	if err := c.verdict(p, matches, false); err != nil {
		t.Errorf("a match: %v", err)
	}
	if err := c.again().known(p, nil, fd); err != nil {
		t.Errorf("after a match: %v", err)
	}
	// Another name, and another port, are others.
	other := c.again()
	other.name = "box2"
	if err := other.known(p, nil, fd); err != nil {
		t.Errorf("of another name no key is known, and so it may win: %v", err)
	}
	w := &engine.Winner{Candidate: engine.Candidate{Addr: p.Addr}}
	if got := other.unchecked(w); got != "the host key was not checked: no host key is known for box2" {
		t.Error(got)
	}
	if got := (&checker{}).unchecked(w); !strings.HasSuffix(got, "--host-key-always checks each") {
		t.Error(got)
	}
	if got := (&Options{checker: c}).ServerLog(&engine.Winner{Candidate: engine.Candidate{Transport: "tcp"}}, nil, &engine.Dialer{HostKey: &engine.HostKeyCheck{}}); got != logsNothing {
		t.Errorf("of a server that was not checked: %s", got)
	}
	p.Addr.AddrPort = netip.MustParseAddrPort("127.0.0.1:2222")
	c = c.again()
	if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
		t.Errorf("another port: %v", err)
	}
	if err := c.verdict(p, "Host key verification failed.\n", true); !errors.Is(err, hostkey.ErrMismatch) {
		t.Errorf("a mismatch: %v", err)
	}
	err := c.again().known(p, nil, fd)
	if !errors.Is(err, hostkey.ErrMismatch) {
		t.Errorf("after a mismatch: %v", err)
	}
	if got, want := removeKey([]engine.Failure{{Err: unix.ECONNREFUSED}, {Err: err}}), "ssh-keygen -R box -f "+term.Quote(c.files[0]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := c.unchecked(&engine.Winner{Candidate: engine.Candidate{Addr: p.Addr}}); got != "" {
		t.Errorf("of a checked server: %s", got)
	}
	// A mismatch is no longer valid with other files, or once known_hosts has changed.
	other = c.again()
	other.files = []string{filepath.Join(t.TempDir(), "none")}
	if err := other.known(p, nil, fd); err != nil {
		t.Errorf("without known_hosts: %v", err)
	}
	soon := time.Now().Add(time.Minute)
	if err := os.Chtimes(c.files[0], soon, soon); err != nil {
		t.Fatal(err)
	}
	c = c.again()
	if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
		t.Errorf("after known_hosts has changed: %v", err)
	}
	// What ssh could not tell is not remembered.
	var refusal *engine.Refusal
	said := "debug1: kex_exchange_identification: banner line 0: Not allowed at this time\nkex_exchange_identification: Connection closed by remote host\n"
	if err := c.verdict(p, said, true); !errors.As(err, &refusal) || refusal.Said != "Not allowed at this time" {
		t.Errorf("a refusal: %v", err)
	}
	if err := c.again().known(p, nil, fd); err != engine.ErrUnchecked {
		t.Errorf("after a refusal: %v", err)
	}
}

func TestCheckerForgets(t *testing.T) {
	c, p, fd := checkerOf(t)
	if err := os.WriteFile(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "fdrace"), nil, 0o600); err != nil { // no directory
		t.Fatal(err)
	}
	t.Setenv("HOME", "/dev/null")
	t.Setenv("XDG_CACHE_HOME", "")
	for range 2 {
		if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
			t.Error(err)
		}
		if err := c.verdict(p, "Host key verification failed.\n", true); !errors.Is(err, hostkey.ErrMismatch) {
			t.Error(err)
		}
		c = c.again()
	}
}

// A match is no longer valid once known_hosts has changed: its key may be revoked.
func TestCheckerReadsChanges(t *testing.T) {
	c, p, fd := checkerOf(t)
	if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
		t.Fatal(err)
	}
	if err := c.verdict(p, "debug1: Host 'box' is known and matches the ED25519 host key.\n", false); err != nil {
		t.Fatal(err)
	}
	c.done(nil)
	soon := time.Now().Add(time.Minute)
	if err := os.Chtimes(c.files[0], soon, soon); err != nil {
		t.Fatal(err)
	}
	if err := c.again().known(p, nil, fd); err != engine.ErrUnchecked {
		t.Error(err)
	}
}

// ssh does not survive this process, even if that is killed.
func TestCheckerKillsSSH(t *testing.T) {
	if program := os.Getenv("FDRACE_TEST_KILLED"); program != "" {
		c, p, fd := checkerOf(t)
		if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
			t.Fatal(err)
		}
		c.ssh = program
		if _, err := c.start(p, 0, 1); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	sleeper := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(sleeper, []byte("#!/bin/sh\necho started >&2\nread line\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FDRACE_TEST_KILLED", sleeper)
	other := exec.Command(os.Args[0], "-test.run=^TestCheckerKillsSSH$")
	stdin, err := other.StdinPipe() // stays open
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if line != "started\n" {
		t.Errorf("%q, %v", line, err)
	}
	other.Process.Kill()
	ended := make(chan error, 1)
	go func() { // which is at the end once nobody has it as stderr
		_, err := io.Copy(io.Discard, stdout)
		ended <- err
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("ssh still runs")
	}
	other.Wait()
}

// A check during which another candidate won is put off in later races, for a while.
func TestCheckerPutsOff(t *testing.T) {
	c, p, fd := checkerOf(t)
	c.ssh = "/bin/true"
	for _, tt := range []struct {
		winner *engine.Winner
		want   error
	}{{nil, engine.ErrUnchecked}, {&engine.Winner{}, engine.ErrCheckLater}} {
		c = c.again()
		if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
			t.Fatal(err)
		}
		pid, err := c.start(p, fd, fd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		c.done(tt.winner)
		c.unlock(c.peers[p])
		next := c.again()
		if err := next.known(p, nil, fd); err != tt.want {
			t.Errorf("%v, want %v", err, tt.want)
		}
		if tt.winner == nil {
			continue
		}
		now := time.Now().Add(putOff)
		next.now = func() time.Time { return now }
		if err := next.known(p, nil, fd); err != engine.ErrUnchecked {
			t.Errorf("%v later: %v", putOff, err)
		}
	}
}

// A login goes on if there is no place for the keys.
func TestCheckerCannotWrite(t *testing.T) {
	c, p, fd := checkerOf(t)
	none := c.files[0] + "/none" // below a file
	c.dirs = []string{"", os.Getenv("XDG_RUNTIME_DIR") + "/%h", none}
	if err := c.known(p, nil, fd); err != nil {
		t.Error(err)
	}
	want := "the host key was not checked: cannot check the host key: open " + none + "/fdrace-known-hosts-"
	if got := c.unchecked(&engine.Winner{Candidate: engine.Candidate{Addr: p.Addr}}); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
	c.dirs = append(c.dirs, t.TempDir())
	if err := c.known(p, nil, fd); err != engine.ErrUnchecked {
		t.Error(err)
	}
	path := c.tempFiles[22]
	c.done(nil)
	if _, err := os.Stat(path); path == "" || err == nil {
		t.Errorf("%q stays", path)
	}
}

// TestCheckerWaits has another process hold the lock: a copy of this test, as the locks
// of one process do not exclude each other.
func TestCheckerWaits(t *testing.T) {
	if key := os.Getenv("FDRACE_TEST_LOCK"); key != "" {
		holdLock(t, key)
		return
	}
	c, p, fd := checkerOf(t)
	key := c.recordKey(p, fd)
	// The other plays two: one that was stopped, and one that has taken over from it.
	t.Setenv("FDRACE_TEST_LOCK", (&peerState{key: key}).lockKey()+" "+(&peerState{key: key, takeovers: 1}).lockKey())
	other := exec.Command(os.Args[0], "-test.run=^TestCheckerWaits$")
	release, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.now = func() time.Time { return now }
	keygen := c.keygen
	c.keygen = "/nonexistent/ssh-keygen" // the one that waits does not run it
	if err := c.known(p, nil, fd); err != engine.ErrBeingChecked {
		t.Error(err)
	}
	c.keygen = keygen
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, engine.ErrBeingChecked}, {othersTimeout - 1, engine.ErrBeingChecked}, {1, engine.ErrBeingChecked},
		{othersTimeout - 1, engine.ErrBeingChecked}, {1, engine.ErrUnchecked}, {0, engine.ErrUnchecked}} {
		now = now.Add(step.after)
		if err := c.known(p, nil, fd); err != step.want {
			t.Errorf("%v later: %v, want %v", step.after, err, step.want)
		}
	}
	c = c.again()
	if err := c.known(p, nil, fd); err != engine.ErrBeingChecked {
		t.Error(err)
	}
	release.Close()
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.known(p, nil, fd); err != engine.ErrUnchecked { // the other has found out nothing
		t.Error(err)
	}
}

// holdLock is the other process: it locks as checkers do, until its stdin ends.
func holdLock(t *testing.T, keys string) {
	memory, err := state.Open(state.Paths()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields(keys) {
		if !memory.Lock(key) {
			t.Fatal(key)
		}
	}
	os.Stdout.Write([]byte("x"))
	os.Stdin.Read(make([]byte, 1))
}

func TestHostKeyErrors(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{HostKeyAlways: true}, "--host-key-always: add --host-key NAME"},
		{Options{KnownHosts: str("x")}, "--known-hosts: add --host-key NAME"},
		{Options{HostKey: str("")}, `--host-key "": write the name that known_hosts has`},
		{Options{HostKey: str("a b")}, `--host-key "a b": write the name`},
	} {
		tt.o.Words = []string{"box"}
		if _, _, err := tt.o.Plan(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}
