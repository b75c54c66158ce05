//go:build unix

package doctor

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fdrace/internal/term"
)

// checkMaster looks for a connection that ssh shares (ControlMaster), by which it would
// log in without fdrace, and whether that is dead: ssh would wait for it.
func (l *login) checkMaster(alias, file string) []Finding {
	if l.config.unset("controlpath") {
		return nil
	}
	path, _ := find("ssh")
	args := []string{path}
	if file != "" {
		args = append(args, "-F", file)
	}
	s, err := run(append(args, "-O", "check", "--", alias)...)
	pid := regexp.MustCompile(`\(pid=(\d+)\)`).FindStringSubmatch(s.err + s.out)
	if err != nil || s.code != 0 || pid == nil {
		return nil // there is none
	}
	exit := "ssh " + strings.Join(append(args[1:], "-O", "exit", term.Quote(alias)), " ")
	f := Finding{
		Check: "ControlMaster", Status: Warn,
		Found:  fmt.Sprintf("ssh shares the connection of process %s, and does not run fdrace", pid[1]),
		Remedy: fmt.Sprintf("if ssh %s hangs, that connection is dead; to close it, run: %s", term.Quote(alias), exit), Where: ByHand,
	}
	if why := deadConnection(pid[1]); why != "" {
		f.Status, f.Remedy, f.Where = Fail, exit, InShell
		f.Found = fmt.Sprintf("ssh shares the connection of process %s, which is dead: %s", pid[1], why)
	}
	return []Finding{f}
}

// deadConnection says why a TCP connection of a process must be dead, or returns "" if there
// is no sign of that, as always on systems other than Linux.
func deadConnection(pid string) string {
	sockets := map[string]bool{}
	fds, _ := filepath.Glob("/proc/" + pid + "/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				sockets[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open("/proc/" + pid + "/net/" + table)
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if why := deadLine(strings.Fields(lines.Text()), sockets, ownAddrs()); why != "" {
				return why
			}
		}
	}
	return ""
}

// deadLine is deadConnection for one line of /proc/net/tcp (see proc_pid_net(5) and the
// kernel's Documentation/networking/proc_net_tcp.rst), split into fields.
func deadLine(fields []string, sockets map[string]bool, own []netip.Addr) string {
	const (
		local, remote, state, retransmits, inode = 1, 2, 3, 6, 9
		established                              = "01"
	)
	if len(fields) <= inode || !sockets[fields[inode]] || fields[state] != established {
		return ""
	}
	from, ok1 := parseHexAddr(fields[local])
	to, ok2 := parseHexAddr(fields[remote])
	switch {
	case !ok1 || !ok2 || to.IsLoopback():
		return ""
	case !slices.Contains(own, from):
		return fmt.Sprintf("it comes from %s, which this machine does not have any more", from)
	case fields[retransmits] > "00000002": // a working network does not lose the same data so often
		return fmt.Sprintf("%s does not answer any more", to)
	}
	return ""
}

// parseHexAddr reads an address and a port as /proc/net/tcp has them: 32-bit words in
// the byte order of a little-endian machine.
func parseHexAddr(text string) (netip.Addr, bool) {
	text, _, _ = strings.Cut(text, ":")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, ok := netip.AddrFromSlice(b)
	return a.Unmap(), ok
}

// ownAddrs returns the addresses of this machine.
func ownAddrs() (own []netip.Addr) {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr())
		}
	}
	return own
}
