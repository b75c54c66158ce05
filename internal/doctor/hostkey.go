//go:build unix

package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
	"fdrace/internal/hostkey"
	"fdrace/internal/term"
)

// maxCompared bounds the addresses whose host keys are compared: each costs its
// server a connection that does not log in.
const maxCompared = 8

// checkHostKeys compares the host key of every address that answers with what
// known_hosts has: if the addresses belong to different machines, ssh stops with
// an alarm whenever the wrong one answers first.
func (l *login) checkHostKeys(targets []engine.Target, rules *engine.Dialer) []Finding {
	f := Finding{Check: "host key", Status: OK}
	keys, err := l.knownKeys()
	switch {
	case err != nil:
		f.Status, f.Found = Warn, err.Error()
		f.Remedy, f.Where = installSSH(), InShell
		if f.Remedy == "" {
			f.Remedy, f.Where = "install OpenSSH's client", ByHand
		}
		return []Finding{f}
	case !keys.Known():
		f.Found = fmt.Sprintf("known_hosts has none for %s: ssh asks at the first login", keys.Name)
		return []Finding{f}
	}
	var same, different []engine.Addr
	for _, addr := range answering(targets, rules) {
		switch err := l.compare(addr, keys, rules); {
		case err == nil:
			same = append(same, addr)
		case errors.Is(err, hostkey.ErrMismatch):
			different = append(different, addr)
		default:
			f.Found += fmt.Sprintf("%s: %v; ", addr, err)
			f.Status, f.Remedy, f.Where = Warn, "to check it, run fdrace --doctor again in a minute", ByHand
		}
	}
	if len(same) > 0 {
		f.Found += fmt.Sprintf("%s: as in known_hosts for %s; ", names(same), keys.Name)
	}
	f.Found = strings.TrimSuffix(f.Found, "; ")
	if len(different) == 0 {
		if f.Found == "" {
			return nil // nobody answers, which the path check reports
		}
		return []Finding{f}
	}
	have := "has"
	if len(different) > 1 {
		have = "have"
	}
	f.Status, f.Remedy, f.Where = Fail, "", ByHand
	f.Found = fmt.Sprintf("%s %s a different key than known_hosts has for %s", names(different), have, keys.Name)
	if len(same) > 0 {
		f.Status = Warn // if the right one answers first, ssh logs in
		f.Found += "; " + names(same) + " matches"
		return []Finding{l.useHostKey(f, different)}
	}
	f.Remedy = "another machine answers, or its key has changed; if you know why, run: " + keys.RemoveCommand()
	return []Finding{f}
}

// checkHostKeyFlag looks for a --host-key with another name than the one that ssh looks up,
// or that does not read the file in which ssh does: it checks nothing, or against the wrong
// key.
func (l *login) checkHostKeyFlag() (found []Finding) {
	if l.options.HostKey == nil {
		return nil
	}
	name, token := l.config["hostname"], "%h"
	if !l.config.unset("hostkeyalias") {
		name, token = l.config["hostkeyalias"], "%k"
	}
	if !strings.EqualFold(*l.options.HostKey, name) {
		found = append(found, Finding{
			Check: "--host-key", Status: Warn,
			Found:  fmt.Sprintf("checks the host key of %s, but ssh looks for that of %s", *l.options.HostKey, name),
			Remedy: "write --host-key " + token, Where: ByHand,
		})
	}
	if file := l.otherKnownHosts(); file != "" && l.options.KnownHosts == nil {
		f := Finding{Check: "--known-hosts", Status: Warn, Found: fmt.Sprintf("--host-key does not read %s, the UserKnownHostsFile", file)}
		at := l.words[l.program].end
		found = append(found, l.fixCommand(f, l.command[:at]+" --known-hosts "+term.Quote(file)+l.command[at:]))
	}
	return found
}

// otherKnownHosts returns the first UserKnownHostsFile if it is not one that --host-key
// reads by itself, or "".
func (l *login) otherKnownHosts() string {
	files := strings.Fields(l.config["userknownhostsfile"])
	if len(files) == 0 || files[0] == "none" || files[0] == os.DevNull || slices.Contains(hostkey.Files(), files[0]) {
		return ""
	}
	return files[0]
}

// useHostKey adds --host-key to the ProxyCommand, so that the other machines cannot win.
func (l *login) useHostKey(f Finding, different []engine.Addr) Finding {
	flags := ""
	if slices.ContainsFunc(different, func(a engine.Addr) bool { return !helper.IsAmbiguous(a.Addr()) }) && !l.options.HostKeyAlways {
		flags = " --host-key-always"
	}
	switch {
	case l.options.HostKey != nil && flags == "":
		f.Status, f.Remedy, f.Where = OK, "", ""
		f.Found += ": --host-key skips what does not match"
		return f
	case l.options.HostKey == nil:
		if file := l.otherKnownHosts(); file != "" {
			flags = " --known-hosts " + term.Quote(file) + flags
		}
		if l.config.unset("hostkeyalias") {
			flags = " --host-key %h" + flags
		} else {
			flags = " --host-key %k" + flags
		}
	}
	at := l.words[l.program].end
	return l.fixCommand(f, l.command[:at]+flags+l.command[at:])
}

// names returns addrs with commas between them.
func names(addrs []engine.Addr) string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ", ")
}

// knownKeys returns the host keys that ssh will accept for l.
func (l *login) knownKeys() (*hostkey.Keys, error) {
	keygen, found := find("ssh-keygen")
	if !found {
		return nil, errors.New("no ssh-keygen in PATH")
	}
	files := strings.Fields(l.config["userknownhostsfile"] + " " + l.config["globalknownhostsfile"])
	for i, file := range files {
		if rest, ok := strings.CutPrefix(file, "~/"); ok {
			files[i] = hostkey.Home() + "/" + rest
		}
	}
	name, port := l.config["hostname"], uint16(22)
	if !l.config.unset("hostkeyalias") {
		name = l.config["hostkeyalias"] // which has no port
	} else if p, err := engine.ParsePort(l.config["port"]); err == nil {
		port = p
	}
	return hostkey.Find(keygen, name, port, files)
}

// answering returns the addresses of targets that accept a connection, at most maxCompared.
// No server sees a connection.
func answering(targets []engine.Target, rules *engine.Dialer) (addrs []engine.Addr) {
	d := *rules
	d.Transports, d.Proxies, d.Commands, d.Banner, d.Interfaces = nil, nil, nil, "", nil
	d.HostKey, d.Wait = nil, 0
	d.RunAll, d.OnProgress, d.Timeout = true, nil, min(d.Timeout, 2*time.Second)
	d.Report = func(e engine.Event) {
		if e.Kind == engine.Connected && e.Addr.AddrPort.IsValid() && len(addrs) < maxCompared && !slices.Contains(addrs, e.Addr) {
			addrs = append(addrs, e.Addr)
		}
	}
	if len(targets) > 0 {
		d.Dial(context.Background(), targets...) // only its events count
	}
	return addrs
}

// compare connects to addr and compares its server's host key.
func (l *login) compare(addr engine.Addr, keys *hostkey.Keys, rules *engine.Dialer) error {
	d := engine.Dialer{Timeout: runTimeout, Bind: rules.Bind, Interface: rules.Interface}
	w, err := d.Dial(context.Background(), engine.Target{Host: addr.Addr().String(), Port: addr.Port()})
	if err != nil {
		return err
	}
	l.seen++
	conn := os.NewFile(uintptr(w.FD), addr.String())
	defer conn.Close()
	ssh, _ := find("ssh")
	file, err := keys.Write(os.TempDir())
	if err != nil {
		return err
	}
	defer os.Remove(file)
	return hostkey.Compare(ssh, keys.Args(file), conn, runTimeout)
}

// awaitPardon waits until the servers have forgiven each connection that they saw, one
// after the other, as penalties add up.
func (l *login) awaitPardon() {
	if l.pardon != nil {
		l.pardon()
	}
	for range l.seen {
		helper.AwaitPardon("host keys were compared", time.Now())
	}
}
