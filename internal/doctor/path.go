package doctor

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
func (l *login) checkPath(targets []engine.Target, d *engine.Dialer) []Finding {
	const most = 30 * time.Second // where --timeout is more
	d.Report, d.OnProgress, d.Timeout, d.Wait, d.Probe = nil, nil, min(d.Timeout, most), 0, true
	commands := d.Commands
	d.Commands = nil // which log in, and may ask for a passphrase
	if len(targets)+len(d.Proxies) == 0 {
		return []Finding{{Check: "path", Status: OK, Found: "not tried: " + commands[0].Name + " is to log in"}}
	}
	w, err := d.Dial(context.Background(), targets...)
	if err != nil {
		f := l.lost(err, targets, d)
		if len(commands) > 0 {
			f.Status, f.Found = Warn, f.Found+"; not tried, as it is to log in: "+commands[0].Name
		}
		switch {
		case !l.options.RequireMPTCP || mptcp.Supported() != nil:
			return []Finding{f}
		case helper.FellBack(err): // which the server may have seen
			return []Finding{f, l.mptcpPath(false, nil)}
		}
		return []Finding{f, l.checkMPTCPPath(d, targets)}
	}
	multipath, err := mptcp.InUseFD(w.FD)
	describe := helper.Describe(w)
	abort(w.FD)
	ended := time.Now()
	log := helper.ServerLog(w, nil, d)
	found := []Finding{{Check: "path", Status: OK, Found: describe}}
	switch {
	case err == nil && multipath:
		found = append(found, Finding{Check: "MPTCP path", Status: OK, Found: "keeps MPTCP to the server"})
	case !w.Addr.AddrPort.IsValid() || w.Addr.Proxy != nil || mptcp.Supported() != nil:
	case w.Transport == helper.MPTCP.Name: // the server may have seen it, and one is enough
		found = append(found, l.mptcpPath(multipath, err))
	case d.Banner != "": // as here
	default:
		winner := engine.Target{Host: w.Addr.Addr().String(), Port: w.Addr.Port()}
		found = append(found, l.checkMPTCPPath(d, []engine.Target{winner}))
		ended = time.Now()
		log = helper.ServerLog(&engine.Winner{Candidate: engine.Candidate{Transport: "mptcp"}}, nil, d)
	}
	l.pardon = func() { helper.AwaitPardon(log, ended) }
	if l.seen > 0 {
		log = "a server logs one connection that did not log in for each host key that was compared"
	}
	return append(found, Finding{Check: "server log", Status: OK, Found: log})
}

// abort ends a connection by a reset, before sshd has it where that can be: a FIN
// is a failed login in sshd's log.
func abort(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// lost puts a race that nobody won into words.
func (l *login) lost(err error, targets []engine.Target, d *engine.Dialer) Finding {
	loss := helper.DescribeLoss(err, targets, d)
	if len(loss.Each) > 1 {
		loss.What += "; " + strings.Join(loss.Each, "; ")
	}
	hint := loss.Hint
	f := Finding{Check: "path", Status: Fail, Found: loss.What, Remedy: hint, Where: ByHand}
	var dns *net.DNSError
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		f.Remedy, f.Where = "sudo systemctl enable --now ssh", OnServer
	case errors.As(err, &dns) && dns.IsNotFound:
		f.Remedy, f.Where = l.hostBlock("HostName ADDRESS"), InConfig
	case hint == "":
		f.Remedy = "is the machine on, and does every firewall on the way let its port pass?"
		if len(targets) > 0 {
			f.Remedy = fmt.Sprintf("is the machine on, and does every firewall on the way let port %d pass?", targets[0].Port)
		}
	}
	return f
}
