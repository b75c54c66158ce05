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
	lab.Exit(m.Run())
}

// TestEndToEnd runs the stories of testdata: the real fdrace under the real ssh
// that logs in to the real sshd, the system's or that of FDRACE_OPENSSH. Each has
// two hosts of its own, near, in which all that it executes runs, and far, which
// has sshd. With -short there are only those that hang on the version of OpenSSH.
func TestEndToEnd(t *testing.T) {
	// They mostly wait. A processor is what so many take.
	const jobs = 4
	story := params(t)
	files := ofOpenSSH(t, stories(t, func(name string) bool { return !measures(name) && !loads(name) }))
	// Those that wait for the kernel for a minute begin first.
	slow := slices.DeleteFunc(slices.Clone(files), func(file string) bool { return !contains(t, file, lostPath) })
	quick := slices.DeleteFunc(files, func(file string) bool { return contains(t, file, lostPath) })
	story.Files = append(slow, quick...)
	lab.RunStories(t, story, jobs)
	story.Files = ofOpenSSH(t, stories(t, loads))
	lab.RunStories(t, story, 1)
}

// loads reports whether a story takes both processors, or compares times in a picture,
// so that it has to run alone.
func loads(name string) bool { return name == "hostkey_state.txtar" || name == "picture.txtar" }

// measuring is how many stories run at a time that measure when each SYN left. They wait
// as the others do, but are late if too many want a processor.
const measuring = 2

// TestOnTheWire runs the stories that measure when each SYN left.
func TestOnTheWire(t *testing.T) {
	story := params(t)
	story.Files = ofOpenSSH(t, stories(t, measures))
	lab.RunStories(t, story, measuring)
}

// TestWithRuntime runs those of names again, with races that begin after Go's runtime
// has started: nothing that a person or a server could see is different.
func TestWithRuntime(t *testing.T) {
	t.Setenv("FDRACE_PRESTART", "0")
	story := params(t)
	story.Files = ofOpenSSH(t, stories(t, func(name string) bool {
		return strings.HasPrefix(name, "race_resolver_") || name == "race_names.txtar" || name == "race_prestart.txtar"
	}))
	lab.RunStories(t, story, measuring)
}

func measures(name string) bool { return strings.HasPrefix(name, "race_") }

// stories returns the files of testdata that are wanted.
func stories(t *testing.T, want func(name string) bool) (files []string) {
	t.Helper()
	all, err := filepath.Glob("../../testdata/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatal("no stories in testdata", err)
	}
	for _, file := range all {
		if want(filepath.Base(file)) {
			files = append(files, file)
		}
	}
	return files
}

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

func build(t *testing.T) (path string) {
	path, err := lab.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
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
