package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// IsMDNS reports whether host is a name of Multicast DNS, such as box.local (RFC
// 6762 section 3).
func IsMDNS(host string) bool {
	name := strings.TrimSuffix(host, ".")
	dot := strings.LastIndexByte(name, '.')
	return dot > 0 && strings.EqualFold(name[dot:], ".local")
}

const (
	// mdnsTimeout bounds a lookup. Multicast DNS is asked after 0.5 s (sourceDelay) at
	// the latest, its last query goes out 1 s after the first (queryGaps), and a
	// responder may take 0.5 s to answer (RFC 6762 section 6).
	mdnsTimeout = 2500 * time.Millisecond

	// sourceDelay is the time from one source to the next.
	sourceDelay = 250 * time.Millisecond
)

// A source answers names of Multicast DNS.
type source struct {
	name string
	ask  func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// sources are in the order in which they are asked. The daemons may know the answer
// without sending a packet. The name servers come last: they should not be asked for such
// names (RFC 6762 section 22.1), but they have them in companies that use .local for
// their own domain.
var sources = []source{
	{"systemd-resolved", askResolved},
	{"avahi", askAvahi},
	{"multicast DNS", askLinks},
	{"DNS", askDNS},
}

// MDNS returns the addresses of host, a name such as box.local, in one family:
// network is "ip4" or "ip6". If /etc/hosts does not have host, MDNS asks
// systemd-resolved, avahi, the hosts of every link, and the name servers: the next
// one as soon as one has failed or been silent for 250 ms. The first answer counts.
// A link-local address has its interface as zone.
//
// There is at least one address, or an error: one that wraps ctx's, or a
// *net.DNSError with IsNotFound that says who was asked. It comes after 2.5 s at the
// latest.
func MDNS(ctx context.Context, network, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(host, ".")
	if addrs, known := hostsFile(ctx, network, host); known {
		if len(addrs) == 0 {
			return nil, NotFound(host, fmt.Sprintf("it has no IPv%s address in /etc/hosts", strings.TrimPrefix(network, "ip")))
		}
		return addrs, nil
	}
	return askSources(ctx, sources, network, host)
}

// NoSuchHost is the reason in the error for a name that does not exist.
const NoSuchHost = "no such host"

// NotFound returns a *net.DNSError with IsNotFound that says why name has no address.
func NotFound(name, why string) error {
	return &net.DNSError{Err: why, Name: name, IsNotFound: true}
}

// askSources is MDNS without /etc/hosts. Before it returns it cancels the sources
// that have not answered, and waits for them.
func askSources(ctx context.Context, sources []source, network, host string) ([]netip.Addr, error) {
	all, cancel := context.WithTimeout(ctx, mdnsTimeout)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	type answer struct {
		source int
		addrs  []netip.Addr
		err    error
	}
	answers := make(chan answer, len(sources))
	next := time.NewTimer(0)
	defer next.Stop()
	asked, failed := 0, make([]error, len(sources))
	for answered := 0; answered < len(sources); {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lookup %s: %w", host, ctx.Err())
		case <-next.C:
			i := asked
			wg.Go(func() {
				addrs, err := sources[i].ask(all, network, host)
				answers <- answer{i, addrs, err}
			})
			if asked++; asked < len(sources) {
				next.Reset(sourceDelay)
			}
		case a := <-answers:
			if a.err == nil {
				return a.addrs, nil
			}
			answered++
			failed[a.source] = a.err
			if asked < len(sources) {
				next.Reset(0)
			}
		}
	}
	return nil, sourcesFailed(sources, failed, host)
}

// sourcesFailed returns the error of a lookup that no source has answered. It wraps the
// errors of the sources, except of those that timed out or do not run.
func sourcesFailed(sources []source, errs []error, host string) error {
	var reasons []string
	var causes []error
	for i, err := range errs {
		switch {
		case errors.Is(err, errNotRunning):
		case errors.Is(err, context.DeadlineExceeded):
			reasons = append(reasons, "no answer from "+sources[i].name)
		default:
			reasons = append(reasons, fmt.Sprintf("%s: %v", sources[i].name, err))
			causes = append(causes, err)
		}
	}
	return &net.DNSError{Err: strings.Join(reasons, "; "), Name: host, IsNotFound: true, UnwrapErr: errors.Join(causes...)}
}

// askDNS asks the name servers for host as an absolute name.
func askDNS(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := Addrs(ctx, network, host+".")
	var dns *net.DNSError
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &dns):
		return nil, errors.New(dns.Err) // host is in the error of the whole lookup
	}
	return addrs, err
}

// MDNSDaemons returns the names of the running daemons that MDNS asks: "systemd-resolved",
// "avahi" or both. It connects to their sockets, but asks nothing.
func MDNSDaemons() (names []string) {
	for _, daemon := range [][2]string{{"systemd-resolved", resolvedSocket}, {"avahi", avahiSocket}} {
		if c, err := net.Dial("unix", daemon[1]); err == nil {
			c.Close()
			names = append(names, daemon[0])
		}
	}
	return names
}

// MDNSLinks returns the names of the interfaces on which MDNS would send a multicast query.
// It sends nothing.
func MDNSLinks() (names []string, err error) {
	all, err := links()
	for _, l := range all {
		senders := openSenders(l)
		for _, s := range senders {
			s.Close()
		}
		if len(senders) > 0 {
			names = append(names, l.Name)
		}
	}
	return names, err
}
