package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// checkPath runs the race that ssh would have, and looks whether the path to the
// winner keeps MPTCP.
func (l *login) checkPath(targets []engine.Target, d *engine.Dialer) []finding {
	const most = 30 * time.Second // where --timeout is more
	d.Report, d.Tick, d.Timeout, d.Probe = nil, nil, min(d.Timeout, most), true
	commands := d.Commands
	d.Commands = nil // which log in, and may ask for a passphrase
	if len(targets)+len(d.Proxies) == 0 {
		return []finding{{Check: "path", Status: ok, Found: "not tried: " + commands[0].Name + " is to log in"}}
	}
	w, err := d.Dial(context.Background(), targets...)
	if err != nil {
		f := l.lost(err, targets, d)
		if len(commands) > 0 {
			f.Status, f.Found = warn, f.Found+"; not tried, as it is to log in: "+commands[0].Name
		}
		switch {
		case !l.options.RequireMPTCP || mptcp.Supported() != nil:
			return []finding{f}
		case helper.FellBack(err): // which the server may have seen
			return []finding{f, l.mptcpPath(false, nil)}
		}
		return []finding{f, l.checkMPTCPPath(d, targets)}
	}
	multipath, err := mptcp.InUseFD(w.FD)
	describe := helper.Describe(w)
	abort(w.FD)
	ended := time.Now()
	log := helper.ServerLog(w, nil, d)
	found := []finding{{Check: "path", Status: ok, Found: describe}}
	switch {
	case err == nil && multipath:
		found = append(found, finding{Check: "MPTCP path", Status: ok, Found: "keeps MPTCP to the server"})
	case !w.Addr.AddrPort.IsValid() || w.Addr.Proxy != nil || mptcp.Supported() != nil:
	case w.Transport == helper.MPTCP.Name: // the server may have seen it, and one is enough
		found = append(found, l.mptcpPath(multipath, err))
	case d.Banner != "": // as here
	default:
		winner := engine.Target{Host: w.Addr.Addr().String(), Port: w.Addr.Port()}
		found = append(found, l.checkMPTCPPath(d, []engine.Target{winner}))
		ended = time.Now()
		log = helper.ServerLog(&engine.Winner{Transport: "mptcp"}, nil, d)
	}
	l.pardon = func() { helper.AwaitPardon(log, ended) }
	if l.seen > 0 {
		return append(found, finding{Check: "server log", Status: ok, Found: "a server logs one connection that did not log in for each host key that was compared"})
	}
	return append(found, finding{Check: "server log", Status: ok, Found: log})
}

// abort ends a connection by a reset, before sshd has it where that can be: a FIN
// is a failed login in sshd's log.
func abort(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// lost puts a race that nobody won into words.
func (l *login) lost(err error, targets []engine.Target, d *engine.Dialer) finding {
	what, hint := helper.Explain(err, targets, d)
	f := finding{Check: "path", Status: fail, Found: what, Remedy: hint, Where: byHand}
	var dns *net.DNSError
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		f.Remedy, f.Where = "sudo systemctl enable --now ssh", onServer
	case errors.As(err, &dns) && dns.IsNotFound:
		f.Remedy, f.Where = l.block("HostName ADDRESS"), inConfig
	case hint == "":
		f.Remedy = "is the machine on, and does every firewall on the way let its port pass?"
		if len(targets) > 0 {
			f.Remedy = fmt.Sprintf("is the machine on, and does every firewall on the way let port %d pass?", targets[0].Port)
		}
	}
	return f
}

// checkMPTCPPath connects by MPTCP alone, and looks whether it stays that.
func (l *login) checkMPTCPPath(rules *engine.Dialer, targets []engine.Target) finding {
	d := *rules
	d.Timeout = min(d.Timeout, 2500*time.Millisecond)
	d.Transports = []engine.Transport{helper.MPTCP}
	d.Proxies = nil // which connect by something else
	w, err := d.Dial(context.Background(), targets...)
	if err != nil {
		f := finding{Check: "MPTCP path", Status: ok, Found: "MPTCP does not get through: " + mptcpLoss(err)}
		if l.wantsMPTCP() {
			f.Status = warn
			return l.mend(f, l.withoutMPTCP())
		}
		return f
	}
	multipath, err := mptcp.InUseFD(w.FD)
	abort(w.FD)
	return l.mptcpPath(multipath, err)
}

func (l *login) wantsMPTCP() bool { return l.options.MPTCP || l.options.RequireMPTCP }

// mptcpPath says what a connection that was to be MPTCP has come to: whether it is,
// or why nobody can tell.
func (l *login) mptcpPath(multipath bool, err error) finding {
	f, wanted := finding{Check: "MPTCP path", Status: ok}, l.wantsMPTCP()
	paused, _ := mptcp.Paused() // not known: another reason is the likelier one
	switch {
	case paused:
		f.Found = "not known while this kernel has paused MPTCP"
	case err != nil:
		f.Status, f.Found = warn, err.Error()
		f.Remedy, f.Where = "this kernel does not tell (Linux 5.16 does)", byHand
	case multipath && wanted:
		f.Found = "keeps MPTCP to the server, though plain TCP was faster"
	case multipath:
		f.Found = "keeps MPTCP to the server: --mptcp would use it"
	case !wanted:
		f.Found = "the server does not speak MPTCP, which is not asked for"
	default:
		f.Status, f.Found = warn, "the server does not speak MPTCP, or something on the way takes it out: the session is plain TCP"
		f.Remedy, f.Where = strings.Join([]string{
			"sudo mptcpize enable ssh && sudo systemctl restart ssh",
			"# or, if it is ssh.socket that listens, and systemd is 257 or later:",
			`printf '[Socket]\nSocketProtocol=mptcp\n' | sudo systemctl edit --stdin ssh.socket`,
			"sudo systemctl restart ssh.socket",
		}, "\n"), onServer
	}
	return f
}

// mptcpLoss says in what way something is against MPTCP.
func mptcpLoss(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "its packets are dropped on the way"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return "it is refused on the way"
	}
	return err.Error()
}

// withoutMPTCP is the ProxyCommand that goes by plain TCP where MPTCP was only
// wanted, and may go by it where it was required.
func (l *login) withoutMPTCP() string {
	flag, instead := "--mptcp ", ""
	if l.options.RequireMPTCP {
		flag, instead = "--require-mptcp ", "--mptcp "
	}
	return strings.Replace(l.command, flag, instead, 1)
}
