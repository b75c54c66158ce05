//go:build unix

package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
	"fdrace/internal/resolve"
	"fdrace/internal/term"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// checkPath runs the race that ssh would run, and checks whether the path to the winner lets
// MPTCP through.
func (l *login) checkPath(targets []engine.Target, d *engine.Dialer) []Finding {
	const most = 30 * time.Second // even if --timeout is more
	d.Report, d.OnProgress, d.Timeout, d.Wait, d.Probe = nil, nil, min(d.Timeout, most), 0, true
	commands := d.Commands
	d.Commands = nil // which log in, and may ask for a passphrase
	untried := Finding{Check: "path", Status: OK}
	if len(commands) > 0 {
		untried.Found = "not tried here, because it may log in: " + commands[0].Name + toTest(l.options.Jump, l.options.SSHConfig)
	}
	if len(targets)+len(d.Proxies) == 0 {
		return []Finding{untried}
	}
	var families helper.FamilyWatch
	d.Report = families.Note
	w, err := d.Dial(context.Background(), targets...)
	d.Report = nil
	if err != nil {
		f := l.lost(err, targets, d)
		switch {
		case len(commands) > 0:
			f.Status = Warn
			return []Finding{f, untried}
		case !l.options.RequireMPTCP || mptcp.Supported() != nil:
			return []Finding{f}
		case helper.FellBack(err): // which the server may have seen
			return []Finding{f, l.mptcpPath(false, nil)}
		}
		return []Finding{f, l.checkMPTCPPath(d, targets)}
	}
	found := []Finding{{Check: "path", Status: OK, Found: helper.Describe(w)}}
	if silent := families.Silent(w, d.Delay); silent != "" {
		found = append(found, Finding{
			Check: "silent family", Status: Warn, Found: silent, Where: ByHand,
			Remedy: "look for a firewall that drops the packets of that family, or leave that family out with -4 or -6",
		})
	}
	more, log := l.checkServer(w, d)
	ended := time.Now()
	l.pardon = func() { helper.AwaitPardon(log, ended) }
	if l.seen > 0 {
		log = "for each host key compared, the server logs one connection without a login"
	}
	return append(append(found, more...), Finding{Check: "server log", Status: OK, Found: log})
}

// toTest says how to test the first of jumps, if it is a single host. config is that of
// --ssh-config, or nil.
func toTest(jumps []string, config *string) string {
	if len(jumps) == 0 {
		return ""
	}
	host, _, _ := strings.Cut(jumps[0], "=")
	if strings.ContainsAny(host, ",:") {
		return ""
	}
	return fmt.Sprintf("; to test it, run: %s %s true", sshWith(config), term.Quote(host))
}

// sshWith returns the beginning of an ssh command that reads config, which may be nil.
func sshWith(config *string) string {
	if config == nil || *config == "" {
		return "ssh"
	}
	return "ssh -F " + term.Quote(*config)
}

// checkServer checks that the server of w sends a banner, and whether the path to it lets
// MPTCP through. The server sees one connection for both. checkServer closes w.FD, and
// returns what the server logs.
func (l *login) checkServer(w *engine.Winner, d *engine.Dialer) (found []Finding, log string) {
	log = l.options.ServerLog(w, nil, d)
	multipath, err := mptcp.InUseFD(w.FD)
	visible := w.Transport == helper.MPTCP.Name || w.Addr.Proxy != nil || !w.Addr.AddrPort.IsValid()
	switch {
	case err == nil && multipath:
		found = append(found, Finding{Check: "MPTCP path", Status: OK, Found: "MPTCP works to the server"})
	case w.Transport == helper.MPTCP.Name:
		found = append(found, l.mptcpPath(multipath, err))
	}
	if visible || d.Banner != "" {
		if d.Banner == "" {
			found = append(found, checkBanner(w.FD)...)
		}
		abort(w.FD)
		return found, log
	}
	abort(w.FD)
	server := []engine.Target{{Host: w.Addr.Addr().String(), Port: w.Addr.Port()}}
	log = helper.ServerLog(&engine.Winner{Candidate: engine.Candidate{Transport: "mptcp"}}, nil, d) // the server sees what follows
	if mptcp.Supported() == nil {
		c, f := l.dialMPTCP(d, server)
		found = append(found, f)
		if c >= 0 {
			found = append(found, checkBanner(c)...)
			abort(c)
			return found, log
		}
	}
	plain := *d
	plain.Transports, plain.Probe, plain.Timeout = nil, false, min(d.Timeout, 2500*time.Millisecond)
	if again, err := plain.Dial(context.Background(), server...); err == nil {
		found = append(found, checkBanner(again.FD)...)
		abort(again.FD)
	}
	return found, log
}

// abort closes a connection with a reset: after a FIN, sshd logs a failed login.
func abort(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// lost returns the finding about a race that nobody won, which ended with err.
func (l *login) lost(err error, targets []engine.Target, d *engine.Dialer) Finding {
	loss := helper.DescribeLoss(err, targets, d)
	if len(loss.Each) > 1 {
		loss.What += "; " + strings.Join(loss.Each, "; ")
	}
	f := Finding{Check: "path", Status: Fail, Found: loss.What, Remedy: loss.Hint, Where: ByHand}
	hosts := slices.DeleteFunc(slices.Clone(targets), isSocket)
	switch port := refusedPort(err); {
	case loss.Hint == "" && port > 0:
		return l.refused(f, port, hosts, d)
	case loss.Hint == "" && len(hosts) == 0 && len(targets) > 0:
		f.Remedy = "is that machine running, and does its sshd listen on this socket?"
		if _, machine, _ := resolve.ParseMachine(targets[0].Host); machine {
			f.Remedy = `is that machine running? "machinectl" lists those that are`
		}
	case loss.NoSuchHost:
		f.Found += ": the name does not exist in DNS or /etc/hosts"
		f.Remedy = fmt.Sprintf("check the spelling of %s; if it is right, %s", term.Sanitize(loss.NoAddress), l.useAddress(loss.NoAddress))
	case loss.Hint != "":
	case loss.NoAddress != "" && d.Family != engine.AnyFamily:
		f.Remedy = fmt.Sprintf("leave out -%s in the ProxyCommand", strings.TrimPrefix(d.Family.String(), "IPv"))
	case resolve.IsMDNS(loss.NoAddress):
		f.Remedy = fmt.Sprintf("is %s on, and on a link of this machine? if so, %s", term.Sanitize(loss.NoAddress), l.useAddress(loss.NoAddress))
	case loss.NoAddress != "":
		f.Remedy = l.useAddress(loss.NoAddress)
	default:
		f.Remedy = "is the machine on, and does every firewall let its port through?"
		if len(hosts) > 0 {
			f.Remedy = fmt.Sprintf("is the machine on, and does every firewall let port %d through?", hosts[0].Port)
		}
	}
	return f
}

// isSocket reports whether t is not reached over IP.
func isSocket(t engine.Target) bool {
	_, socket, _ := resolve.ParseSocket(t.Host)
	_, machine, _ := resolve.ParseMachine(t.Host)
	return socket || machine
}

// refusedPort returns the port on which a host has refused the connection, or 0 if none has.
// It prefers a port other than 22.
func refusedPort(err error) (port uint16) {
	var lost *engine.Error
	if !errors.As(err, &lost) {
		return 0
	}
	for _, f := range lost.Failures {
		isHost := f.Addr.AddrPort.IsValid() && f.Addr.Proxy == nil
		if isHost && errors.Is(f.Err, unix.ECONNREFUSED) && (port == 0 || port == sshPort) {
			port = f.Addr.Port()
		}
	}
	return port
}

// useAddress says where to write an address instead of name, which has none. If there are
// two HostName lines, ssh uses the first.
func (l *login) useAddress(name string) string {
	switch name = strings.TrimSuffix(name, "."); {
	case !strings.EqualFold(name, l.config["hostname"]):
		return "write the address in its place in the ProxyCommand"
	case strings.EqualFold(name, l.host):
		return "add the address to the block: HostName ADDRESS"
	}
	return fmt.Sprintf("replace HostName %s in the block by HostName ADDRESS", term.Sanitize(name))
}

// sshPort is the default port of ssh.
const sshPort = 22

// refused completes f for a race in which a host has refused port: it may be the wrong port.
func (l *login) refused(f Finding, port uint16, hosts []engine.Target, d *engine.Dialer) Finding {
	change := "add Port N to the Host block"
	if l.config.is("port", fmt.Sprint(port)) && port != sshPort {
		change = fmt.Sprintf("replace Port %d in the Host block by Port N", port)
	}
	f.Remedy, f.Where = "sudo systemctl enable --now ssh\n# if it runs already, this shows its port; then "+change+":\nsudo ss -ltnp | grep sshd", OnServer
	f.Found += fmt.Sprintf("; the host answers, but nothing listens on port %d: is the port right?", port)
	if l.noPort {
		f.Found += fmt.Sprintf(" ssh_config says %s", l.config["port"])
		return l.fixCommand(f, l.command)
	}
	if port == sshPort {
		return f
	}
	for i := range hosts {
		hosts[i].Port = sshPort
	}
	probe := *d
	probe.Probe, probe.Transports, probe.Proxies, probe.Banner = true, nil, nil, ""
	probe.Timeout = min(d.Timeout, 2*time.Second)
	w, err := probe.Dial(context.Background(), hosts...)
	if err != nil {
		return f
	}
	abort(w.FD)
	f.Found += fmt.Sprintf(" Port %d accepts connections", sshPort)
	if l.config.is("port", fmt.Sprint(port)) {
		f.Remedy, f.Where = l.hostBlock(fmt.Sprintf("Port %d", sshPort)), InConfig
	} else {
		f.Remedy, f.Where = fmt.Sprintf("write port %d in the ProxyCommand", sshPort), ByHand
	}
	return f
}
