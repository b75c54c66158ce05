// Package hostkey checks whether a server has one of the host keys that known_hosts has
// for a name. It uses OpenSSH's own tools, which understand hashed names, patterns,
// markers and certificates.
//
//	known_hosts ──ssh-keygen -F──> Keys ──┐
//	                                      ├──ssh──> Verdict
//	a connection to the server ───────────┘
package hostkey

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fdrace/internal/term"
)

// ErrMismatch is the verdict if the server has none of the keys.
var ErrMismatch = errors.New("different host key: not the expected machine")

// ErrPending is the verdict while ssh has not compared the key yet.
var ErrPending = errors.New("no verdict yet")

// A Failure is the verdict if ssh cannot compare the key.
type Failure struct {
	Reason string // the last line that ssh printed, or why it printed none
	Banner string // the first line that the server sent instead of an SSH banner, if any; not sanitized
}

func (e *Failure) Error() string {
	if e.Banner != "" {
		return fmt.Sprintf("cannot check the host key: the server said: %q", e.Banner)
	}
	return "cannot check the host key: " + e.Reason
}

// Keys has the lines of known_hosts files for a host.
type Keys struct {
	// Name is the name of the host in all lines, in lower case.
	Name string

	entry string // the name under which the first key is there: Name or [Name]:PORT
	file  string // the file that has it
	lines []byte
	known bool
}

// Known reports whether there is any key. Lines that revoke keys do not count.
func (k *Keys) Known() bool { return k.known }

// Find returns the lines of files for name and port. As ssh does, it skips files that do
// not exist or cannot be read; and it uses the keys of [name]:port, or if there are none,
// those of name, and likewise for certificate authorities (sshconnect.c: check_host_key).
// It runs ssh-keygen, whose path is keygen, once or twice for each file, and waits for it.
func Find(keygen, name string, port uint16, files []string) (*Keys, error) {
	k := &Keys{Name: strings.ToLower(name)} // known_hosts has names in lower case
	names := []string{k.Name}
	if port != 22 {
		names = []string{fmt.Sprintf("[%s]:%d", k.Name, port), k.Name}
	}
	found := map[string]bool{} // the markers of the lines for the previous name
	for _, name := range names {
		markers := map[string]bool{}
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
				continue
			}
			out, err := output(keygen, "ssh-keygen", "-F", name, "-f", file)
			if err != nil {
				return nil, err
			}
			k.add(out, found, markers)
			if k.known && k.entry == "" {
				k.entry, k.file = name, file
			}
		}
		found = markers
	}
	return k, nil
}

const revoked = "@revoked "

// add parses the output of ssh-keygen -F: lines as they are in the file, and comments. It
// skips lines with a marker that is in skip, except revoked, and adds theirs to markers. It
// replaces the host field by k.Name, so that ssh finds the keys of both names under one,
// and expects that name in a certificate.
func (k *Keys) add(out []byte, skip, markers map[string]bool) {
	for line := range bytes.Lines(out) {
		fields := bytes.Fields(line)
		marker := ""
		if len(fields) > 0 && fields[0][0] == '@' {
			marker, fields = string(fields[0])+" ", fields[1:]
		}
		if len(fields) < 3 || fields[0][0] == '#' || skip[marker] && marker != revoked {
			continue
		}
		markers[marker] = true
		k.known = k.known || marker != revoked
		k.lines = fmt.Appendf(k.lines, "%s%s %s %s\n", marker, k.Name, fields[1], fields[2])
	}
}

// RemoveCommand returns the shell command that removes the first key.
func (k *Keys) RemoveCommand() string {
	command := "ssh-keygen -R " + term.Quote(k.entry)
	if k.file != Files()[0] {
		command += " -f " + term.Quote(k.file)
	}
	return command
}

// Write writes the keys to a new file in dir that only the user can read, and returns its
// path. The caller must remove it. Write also removes files of callers that were killed.
// It fails if ssh would not take the path literally (ssh_config(5): UserKnownHostsFile).
func (k *Keys) Write(dir string) (path string, err error) {
	if !filepath.IsAbs(dir) || strings.ContainsAny(dir, "%$\"\\") {
		return "", &os.PathError{Op: "create a file in", Path: dir, Err: errors.ErrUnsupported}
	}
	const name, abandoned = "fdrace-known-hosts-", time.Hour
	old, _ := filepath.Glob(filepath.Join(dir, name+"*"))
	for _, path := range old {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > abandoned {
			os.Remove(path)
		}
	}
	f, err := os.CreateTemp(dir, name)
	if err != nil {
		return "", err
	}
	_, err = f.Write(k.lines)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// Args returns the command line of an ssh that compares the key of a server with those in
// file, which Write has written. Its stdin and stdout must be a connection to the server:
// "ProxyCommand=-" makes ssh use them (sshconnect.c: ssh_connect). Verdict parses its
// stderr. The caller kills ssh after the verdict: otherwise ssh sends a user name, and
// sshd can penalize the client for a user that does not exist.
func (k *Keys) Args(file string) []string {
	args := []string{"ssh", "-F", "none", "-N", "-T"}
	for _, option := range []string{
		"ProxyCommand=-",
		"BatchMode=yes",
		"StrictHostKeyChecking=yes",
		"HostKeyAlias=" + k.Name,
		`UserKnownHostsFile="` + file + `"`,
		"GlobalKnownHostsFile=none",
		"PreferredAuthentications=none",
		"LogLevel=DEBUG1",
		// Users may have added these for an old server. The login uses their own options.
		"HostKeyAlgorithms=+ssh-rsa",
		"KexAlgorithms=+diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
		"Ciphers=+aes128-cbc,aes256-cbc,3des-cbc",
	} {
		args = append(args, "-o", option)
	}
	return append(args, "--", "host") // any name: HostKeyAlias counts
}

// Verdict parses the stderr of ssh; ended says that ssh has ended, and will write no more.
// Verdict returns nil if the server has one of the keys, ErrMismatch if it has a different
// one, ErrPending if ssh has not compared the key yet, and a *Failure if it cannot.
func Verdict(stderr string, ended bool) error {
	var last, banner string
	for line := range strings.Lines(stderr) {
		if !strings.HasSuffix(line, "\n") && !ended {
			break // the rest is still to come
		}
		line = strings.TrimRight(line, "\r\n")
		said, isDebug := strings.CutPrefix(line, "debug1: ")
		switch {
		case isDebug && strings.HasPrefix(said, "Host '") && strings.Contains(said, "' is known and matches the "),
			isDebug && strings.HasPrefix(said, "Authentications that can continue: "): // comes after the comparison
			return nil
		case line == "Host key verification failed.":
			return ErrMismatch
		case isDebug:
			if _, text, ok := strings.Cut(said, "kex_exchange_identification: banner line 0: "); ok {
				banner = text
			}
		case line != "":
			last = line
		}
	}
	switch {
	case !ended:
		return ErrPending
	case last == "":
		last = "ssh ended without a message"
	}
	return &Failure{Reason: last, Banner: banner}
}

// Files returns the known_hosts files that ssh reads by default.
func Files() []string {
	ssh := Home() + "/.ssh/"
	return []string{ssh + "known_hosts", ssh + "known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
}

// Home returns the user's home directory as ssh finds it: from the password database,
// not from the environment.
func Home() string {
	users, _ := os.ReadFile("/etc/passwd")
	uid := fmt.Sprint(os.Getuid())
	for line := range strings.Lines(string(users)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= 6 && f[2] == uid {
			return f[5]
		}
	}
	return os.Getenv("HOME") // the user is in a directory service
}

// output runs a program with an empty stdin, and returns its stdout, whatever its exit
// status.
func output(path string, argv ...string) ([]byte, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := os.StartProcess(path, argv, &os.ProcAttr{Files: []*os.File{null, w, null}})
	w.Close()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = out.ReadFrom(r)
	_, waitErr := p.Wait()
	return slices.Clip(out.Bytes()), errors.Join(err, waitErr)
}

// Compare runs the program ssh with argv, the result of Keys.Args, on conn, and returns the
// verdict: see Verdict. It waits for at most limit, and kills ssh before it returns. conn
// stays the caller's.
func Compare(ssh string, argv []string, conn *os.File, limit time.Duration) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := os.StartProcess(ssh, argv, &os.ProcAttr{Files: []*os.File{conn, conn, w}})
	w.Close()
	if err != nil {
		return err
	}
	defer p.Wait()
	defer p.Kill()
	if err := r.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	var said []byte
	for buf := make([]byte, 4096); ; {
		n, err := r.Read(buf)
		said = append(said, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return &Failure{Reason: fmt.Sprintf("no answer for %v", limit)}
		}
		if verdict := Verdict(string(said), err != nil); verdict != ErrPending {
			return verdict
		}
	}
}
