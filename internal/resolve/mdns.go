package resolve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// IsMDNS says whether host is a name of Multicast DNS, box.local (RFC 6762
// section 3).
func IsMDNS(host string) bool {
	name := strings.TrimSuffix(host, ".")
	dot := strings.LastIndexByte(name, '.')
	return dot > 0 && strings.EqualFold(name[dot:], ".local")
}

const (
	// mdnsTime is how long anybody has to answer: half a second is allowed to
	// a responder (RFC 6762 section 6), and the last of our questions goes out
	// after one second.
	mdnsTime = 2500 * time.Millisecond

	// mdnsNext is how long one way has before the next is tried beside it.
	mdnsNext = 250 * time.Millisecond
)

// ways are who can be asked for a name of Multicast DNS: first who may know the
// answer without a packet, last the name servers, who are not to be asked for
// such names unless nobody else knows them (RFC 6762 section 22.1), but in
// companies that use .local for themselves are the ones who do.
var ways = [...]struct {
	name string
	ask  func(ctx context.Context, network, host string) ([]netip.Addr, error)
}{
	{"systemd-resolved", askResolved},
	{"avahi", askAvahi},
	{"multicast DNS", askLinks},
	{"DNS", askDNS},
}

// MDNS returns the addresses of host, a name such as box.local, in one family:
// network is "ip4" or "ip6". /etc/hosts goes first. Where it has nothing, it
// asks systemd-resolved, avahi, by itself the hosts of every link, and then the
// name servers: the next one as soon as one cannot help, or has not answered for
// 250 ms. A link-local address comes with its interface as zone.
//
// There is at least one address, or an error: ctx's, or a *net.DNSError with
// IsNotFound, after 2.5 s at most, that says who was asked.
func MDNS(ctx context.Context, network, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(host, ".")
	if addrs, known := hostsFile(ctx, network, host); known {
		if len(addrs) == 0 {
			return nil, NotFound(host, "/etc/hosts has it, but not in this family")
		}
		return addrs, nil
	}
	all, cancel := context.WithTimeout(ctx, mdnsTime)
	addrs, why := raceWays(all, cancel, network, host)
	switch err := ctx.Err(); {
	case len(addrs) > 0:
		return addrs, nil
	case err != nil:
		return nil, fmt.Errorf("lookup %s: %w", host, err)
	}
	return nil, NotFound(host, why)
}

// NotFound returns a *net.DNSError that says why name has no address.
func NotFound(name, why string) error {
	return &net.DNSError{Err: why, Name: name, IsNotFound: true}
}

// raceWays returns the first answer, or why there is none. It cancels the
// other ways, and waits for their end.
func raceWays(ctx context.Context, cancel func(), network, host string) (addrs []netip.Addr, why string) {
	type answer struct {
		way   int
		addrs []netip.Addr
		err   error
	}
	answers := make(chan answer, len(ways))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	next := time.NewTimer(0)
	defer next.Stop()
	var reasons [len(ways)]string
	for asked, heard := 0, 0; heard < len(ways); {
		select {
		case <-next.C:
			way := asked
			wg.Go(func() {
				addrs, err := ways[way].ask(ctx, network, host)
				answers <- answer{way, addrs, err}
			})
			if asked++; asked < len(ways) {
				next.Reset(mdnsNext)
			}
		case a := <-answers:
			if a.err == nil {
				return a.addrs, ""
			}
			heard++
			switch name := ways[a.way].name; {
			case errors.Is(a.err, errAbsent):
			case errors.Is(a.err, context.DeadlineExceeded):
				reasons[a.way] = "; no answer from " + name
			default:
				reasons[a.way] = fmt.Sprintf("; %s: %v", name, a.err)
			}
			if asked < len(ways) {
				next.Reset(0)
			}
		}
	}
	return nil, strings.TrimPrefix(strings.Join(reasons[:], ""), "; ")
}

// askDNS asks the name servers, but not for host in one's own domain.
func askDNS(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := Addrs(ctx, network, host+".")
	var dns *net.DNSError
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &dns):
		return nil, errors.New(dns.Err) // without the name, which is known
	}
	return addrs, err
}

// errAbsent is the answer of a daemon that does not run.
var errAbsent = errors.New("not running")

// askDaemon sends request to the daemon at path, a unix socket, and returns its
// answer up to the byte end.
func askDaemon(ctx context.Context, path, request string, end byte) (answer []byte, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		if ctx.Err() == nil {
			err = errAbsent
		}
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err = io.WriteString(conn, request); err == nil {
		answer, err = bufio.NewReader(io.LimitReader(conn, 1<<16)).ReadBytes(end)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return answer[:len(answer)-1], nil
}
