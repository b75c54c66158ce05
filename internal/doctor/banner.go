//go:build unix

package doctor

import (
	"fmt"
	"strings"
	"time"

	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

// bannerTimeout is how long a server may take to send its first line. sshd sends it within
// a round trip.
const bannerTimeout = 3 * time.Second

// checkBanner waits for the server's banner on fd, a connection to it. If none comes, ssh
// would wait for it.
func checkBanner(fd int) []Finding {
	f := Finding{Check: "banner", Status: Fail, Where: ByHand}
	f.Remedy = "is an SSH server on that port? If something on the way accepts in its place, as firewalls and hotspots do, add --banner to fdrace"
	said := readLine(fd, time.Now().Add(bannerTimeout))
	switch {
	case strings.HasPrefix(said, "SSH-"):
		return []Finding{{Check: f.Check, Status: OK, Found: term.Sanitize(said)}}
	case said == "":
		f.Found = fmt.Sprintf("the server accepts connections, but sends no SSH banner within %v: ssh would wait for it", bannerTimeout)
	case strings.HasPrefix(said, "Not allowed at this time"), strings.HasPrefix(said, "Exceeded MaxStartups"):
		f.Found = fmt.Sprintf("the server says %q", said)
		f.Remedy = "wait a minute: sshd refuses this address because of too many unfinished connections"
	default:
		f.Found = fmt.Sprintf("the server says %q, which is not an SSH banner", term.Sanitize(said))
	}
	return []Finding{f}
}

// readLine reads from fd until there is a line that begins with SSH-, until the end of the
// data, or until end. It returns that line, or else the first one.
func readLine(fd int, end time.Time) string {
	const most = 1 << 12
	var b []byte
	for len(b) < most {
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "SSH-") && strings.HasSuffix(line, "\n") {
				return strings.TrimRight(line, "\r\n")
			}
		}
		left := time.Until(end)
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, int(max(0, left).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		buf := make([]byte, 512)
		if n, err = unix.Read(fd, buf); n <= 0 || err != nil {
			break
		}
		b = append(b, buf[:n]...)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(first)
}
