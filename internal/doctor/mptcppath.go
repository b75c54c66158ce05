//go:build unix

package doctor

import (
	"context"
	"errors"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/helper"
	"fdrace/mptcp"

	"golang.org/x/sys/unix"
)

// checkMPTCPPath connects with MPTCP only, and checks that the connection does not fall back
// to TCP.
func (l *login) checkMPTCPPath(rules *engine.Dialer, targets []engine.Target) Finding {
	c, f := l.dialMPTCP(rules, targets)
	if c >= 0 {
		abort(c)
	}
	return f
}

// dialMPTCP is checkMPTCPPath. It also returns the connection, which the caller closes, or
// -1.
func (l *login) dialMPTCP(rules *engine.Dialer, targets []engine.Target) (fd int, f Finding) {
	d := *rules
	d.Timeout = min(d.Timeout, 2500*time.Millisecond)
	d.Transports = []engine.Transport{helper.MPTCP}
	d.Proxies = nil // which do not use MPTCP
	w, err := d.Dial(context.Background(), targets...)
	if err != nil {
		f := Finding{Check: "MPTCP path", Status: OK, Found: "MPTCP fails: " + mptcpLoss(err)}
		if l.wantsMPTCP() {
			f.Status = Warn
			f = l.fixCommand(f, l.withoutMPTCP())
		}
		return -1, f
	}
	multipath, err := mptcp.InUseFD(w.FD)
	return w.FD, l.mptcpPath(multipath, err)
}

func (l *login) wantsMPTCP() bool { return l.options.MPTCP || l.options.RequireMPTCP }

// mptcpPath returns the finding about a connection with an MPTCP socket. multipath and err
// are the results of mptcp.InUseFD.
func (l *login) mptcpPath(multipath bool, err error) Finding {
	f, wanted := Finding{Check: "MPTCP path", Status: OK}, l.wantsMPTCP()
	paused, _ := mptcp.Paused() // after an error: another reason is more likely
	switch {
	case paused:
		f.Found = "unknown while this kernel has paused MPTCP"
	case err != nil:
		f.Status, f.Found = Warn, err.Error()
		f.Remedy, f.Where = "only Linux 5.16 and later can tell", ByHand
	case multipath && wanted:
		f.Found = "MPTCP works to the server, but plain TCP was faster"
	case multipath:
		f.Found = "MPTCP works to the server: --mptcp would use it"
	case !wanted:
		f.Found = "the server does not support MPTCP; this block does not ask for it"
	default:
		f.Status, f.Found = Warn, "the server does not support MPTCP, or a middlebox removes it: the session is plain TCP"
		f.Remedy, f.Where = strings.Join([]string{
			// A drop-in survives upgrades of openssh-server; "mptcpize enable" edits the unit.
			"sudo mkdir -p /etc/systemd/system/ssh.service.d",
			`printf '[Service]\nExecStart=\nExecStart=/usr/bin/mptcpize run /usr/sbin/sshd -D $SSHD_OPTS\n' | sudo tee /etc/systemd/system/ssh.service.d/mptcp.conf`,
			"sudo systemctl daemon-reload && sudo systemctl restart ssh",
			"# or, if ssh.socket listens, and systemd is 257 or later:",
			`printf '[Socket]\nSocketProtocol=mptcp\n' | sudo systemctl edit --stdin ssh.socket`,
			"sudo systemctl restart ssh.socket",
		}, "\n"), OnServer
	}
	return f
}

// mptcpLoss says why a race over MPTCP has failed with err.
func mptcpLoss(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "a middlebox drops its packets"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
		return "a middlebox resets it"
	}
	return err.Error()
}

// withoutMPTCP returns the ProxyCommand without --mptcp, or with --mptcp instead of
// --require-mptcp.
func (l *login) withoutMPTCP() string {
	flag, instead := "--mptcp ", ""
	if l.options.RequireMPTCP {
		flag, instead = "--require-mptcp ", "--mptcp "
	}
	return strings.Replace(l.command, flag, instead, 1)
}
