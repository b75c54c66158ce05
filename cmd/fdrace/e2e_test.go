//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"fdrace/internal/lab"
	"fdrace/mptcp"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// noLab is why this machine cannot have the hosts of the lab.
var noLab error

func TestMain(m *testing.M) {
	if os.Getenv(sandboxed) != "" {
		enterSandbox(os.Args[1:])
	}
	noLab = lab.Reexec()
	status := m.Run()
	if err := os.RemoveAll(built.dir); err != nil && status == 0 {
		fmt.Println("FAIL:", err)
		status = 1
	}
	lab.Exit(status)
}

// TestEndToEnd runs the stories of testdata: the real fdrace under the real ssh
// that logs in to the real sshd, the system's or that of FDRACE_OPENSSH. Each has
// two hosts of its own, near, in which all that it executes runs, and far, which
// has sshd. With -short there are only those that hang on the version of OpenSSH.
//
// Those of names run once more, as "runtime/NAME", with races that begin after Go's
// runtime has started: nothing that a person or a server could see is different.
func TestEndToEnd(t *testing.T) {
	// How many take a processor, and how many that sleep run beside them.
	const jobs, sleepers = 4, 6
	var measured, asleep, others []lab.Story
	for _, file := range ofOpenSSH(t, stories(t, "*")) {
		s := lab.Story{Name: strings.TrimSuffix(filepath.Base(file), ".txtar"), File: file}
		s.Alone = slices.Contains(alone, s.Name)
		switch {
		case strings.HasPrefix(s.Name, "race_"):
			s.Share = 2
			measured = append(measured, s)
			if strings.HasPrefix(s.Name, "race_resolver_") || s.Name == "race_names" || s.Name == "race_prestart" {
				s.Name, s.Env = "runtime/"+s.Name, []string{"FDRACE_PRESTART=0"}
				measured = append(measured, s)
			}
		case slices.Contains(sleeping, s.Name) || contains(t, file, lostPath):
			asleep = append(asleep, s)
		default:
			others = append(others, s)
		}
	}
	// The longest first: none is left when nothing runs beside it any more.
	rank := func(s lab.Story) int {
		if i := slices.Index(sleeping, s.Name); i >= 0 {
			return i
		}
		return len(sleeping)
	}
	slices.SortStableFunc(asleep, func(a, b lab.Story) int { return rank(a) - rank(b) })
	lab.RunStories(t, params(t), lab.Queue{Jobs: jobs, Stories: append(measured, others...)}, lab.Queue{Jobs: sleepers, Stories: asleep})
}

// stories returns the files of testdata whose story's name matches.
func stories(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/" + pattern + ".txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories in testdata", err)
	}
	return files
}

// alone are the stories that have many processes at once, or times in a picture.
var alone = []string{"hostkey_burst", "race_sshd", "picture"}

// sleeping are the stories that wait for timeouts for seconds, and need no processor
// meanwhile. Those of lost paths, which are not all listed, do as well.
var sleeping = strings.Fields(`
	mptcp_break_long mptcp_reboot doctor_path doctor_config doctor_network
	doctor_mistakes explain wait doctor_hostkey status mptcp_link_down mptcp_pause
	mptcp_break mptcp_blackhole doctor_mptcp readme log jump_lane doctor_lost_path
	doctor_names doctor_shell wake
`)

// withSSHD matches a story that starts sshd; lostPath one of a session whose
// network goes away, which takes up to a minute and depends on the kernel alone.
var (
	withSSHD = regexp.MustCompile(`(?m)^(sshd|inetd|recipe) `)
	lostPath = regexp.MustCompile(`(?m)^(types|copies) `)
)

// ofOpenSSH returns, with -short, the files whose story may differ from one
// version of OpenSSH to the next.
func ofOpenSSH(t *testing.T, files []string) []string {
	t.Helper()
	return slices.DeleteFunc(files, func(file string) bool {
		return testing.Short() && (!contains(t, file, withSSHD) || contains(t, file, lostPath))
	})
}

func contains(t *testing.T, file string, what *regexp.Regexp) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return what.Match(text)
}

// params is what every story needs.
func params(t *testing.T) testscript.Params {
	if noLab != nil {
		t.Skip(noLab)
	}
	for _, find := range []func() (string, error){lab.FindSSH, lab.FindSSHD} {
		if _, err := find(); err != nil {
			if lab.OpenSSH() != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	program := build(t)
	return testscript.Params{
		Setup:              func(env *testscript.Env) error { return prepare(env, program) },
		Cmds:               commands(),
		Condition:          condition,
		RequireUniqueNames: true,
		WorkdirRoot:        t.TempDir(), // testscript's own stays when -run picks some
	}
}

// built is the program, for all tests.
var built struct {
	once sync.Once
	dir  string // which TestMain removes
	path string
	err  error
}

func build(t *testing.T) (path string) {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "fdrace"); built.err == nil {
			built.path, built.err = lab.Build(built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// commands are the verbs of all stories.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	all := lab.Commands()
	maps.Copy(all, verbs())
	maps.Copy(all, recipeVerbs())
	maps.Copy(all, pictureVerbs())
	maps.Copy(all, terminalVerbs())
	maps.Copy(all, sessionVerbs())
	maps.Copy(all, doctorVerbs())
	maps.Copy(all, proxyVerbs())
	maps.Copy(all, muxVerbs())
	maps.Copy(all, schemaVerbs())
	maps.Copy(all, hostKeyVerbs())
	maps.Copy(all, waitVerbs())
	return all
}

// config is the start of the ssh_config of every script; what its story is about comes
// by -o, which goes before.
const config = "ProxyCommand fdrace -v -- %h %p\nProxyUseFdpass yes\n"

// prepare gives a script its hosts, config, and an fdrace in a place of its own:
// a process that runs it is of this script.
func prepare(env *testscript.Env, program string) error {
	if err := lab.Setup(env); err != nil {
		return err
	}
	bin := filepath.Join(env.WorkDir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err := os.Link(program, filepath.Join(bin, "fdrace")); err != nil {
		return err
	}
	path := bin + ":" + env.Getenv("PATH") + ":/usr/sbin:/sbin"
	if dir := lab.OpenSSH(); dir != "" {
		env.Setenv("FDRACE_OPENSSH", dir)
		path = bin + ":" + filepath.Join(dir, "usr/bin") + ":" + path
	}
	env.Setenv("PATH", path)
	env.Setenv("FDRACE_PRESTART", os.Getenv("FDRACE_PRESTART")) // 0 has all stories go through the runtime
	env.Setenv("SHELL", "/bin/sh")                              // ssh runs the ProxyCommand by it
	s := &state{env: env}
	env.Values[stateKey{}] = s
	env.Defer(s.end)
	return os.WriteFile(filepath.Join(env.WorkDir, "config"), []byte(config+lab.ClientConfig(env.WorkDir)), 0o644)
}

// condition is what a script may ask, beyond testscript's own.
func condition(name string) (bool, error) {
	if path, ok := strings.CutPrefix(name, "exists:"); ok {
		_, err := os.Stat(path)
		return err == nil, nil
	}
	switch name {
	case "openssh":
		return lab.OpenSSH() != "", nil
	case "tun":
		tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if err != nil {
			return false, nil
		}
		return true, tun.Close()
	case "avahi": // which gives what it makes to a user of its own
		_, err := exec.LookPath("avahi-daemon")
		return err == nil && os.Getuid() == 0, nil
	case "vsock":
		return vsockLoops(), nil
	case "mptcp":
		return mptcp.Supported() == nil, nil
	case "ip_mptcp": // iproute2 5.8
		return exec.Command("ip", "mptcp", "limits", "show").Run() == nil, nil
	case "TCP_IS_MPTCP": // the lab knows no other way to ask
		fd, err := mptcp.Socket(unix.AF_INET)
		if err != nil {
			return false, nil
		}
		defer unix.Close(fd)
		_, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, 43)
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
