//go:build unix

package helper

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
	"fdrace/internal/state"

	"golang.org/x/sys/unix"
)

const (
	// resultMaxAge is how long the result of a check is valid.
	resultMaxAge = 10 * time.Minute

	// differentMaxAge is how long differentAlone is valid.
	differentMaxAge = 10 * time.Second

	// recheckAfter is how long a mismatch is valid with --wait, at least. The first pause
	// after a check is as long.
	recheckAfter = time.Second

	// hostKeyRecord is the kind of the records with results in the state file.
	hostKeyRecord = "hostkey"

	// These are the results.
	sameKey        = "same"
	differentKey   = "different"
	differentAlone = "different-alone" // a different key, and no candidate won
	unfinished     = "unfinished"      // another candidate won during the check
)

// recordKey returns the key of p's record: the network that fd is connected through, the
// address, the name of the host key and the files that have it. It is "" if the network
// is not known.
func (c *checker) recordKey(p engine.Peer, fd int) string {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return ""
	}
	index := 0
	if sa, ok := sa.(*unix.SockaddrInet6); ok {
		index = int(sa.ZoneId)
	}
	network := resolve.Network(engine.LocalAddr(fd), index)
	if network == "" {
		return ""
	}
	if c.state == nil {
		c.state, _ = state.Open(state.Paths()...) // after an error nothing is remembered
	}
	return network + "," + p.Addr.String() + "," + strings.ToLower(c.name) + "," + c.filesHash()
}

// filesHash returns a hash of the names of the known_hosts files that exist.
func (c *checker) filesHash() string {
	h := fnv.New32a()
	for _, file := range c.files {
		if _, err := os.Stat(file); err == nil {
			fmt.Fprintf(h, "%s\n", file)
		}
	}
	return strconv.FormatUint(uint64(h.Sum32()), 16)
}

// result returns the result for peer in the state file, or "", and its time. It is no
// longer valid once known_hosts has changed.
func (c *checker) result(peer *peerState) (result string, at time.Time) {
	if peer.key == "" {
		return "", at
	}
	result, at, _ = c.state.Find(hostKeyRecord, peer.key, resultMaxAge)
	if slices.ContainsFunc(c.files, func(file string) bool { return changedSince(file, at) }) {
		return "", at
	}
	return result, at
}

// remembered reports whether the state file tells if peer is the expected machine, and
// returns the error if it is not. A machine with a different key may soon have the right
// one, for instance if it asks for the password of its disk when it boots. So a mismatch is
// not valid for long if a login depends on it.
func (c *checker) remembered(peer *peerState) (known bool, err error) {
	result, at := c.result(peer)
	switch result {
	case sameKey:
		peer.mismatch = time.Time{}
		return true, nil
	case differentKey, differentAlone:
		now := c.now()
		first := peer.mismatch.IsZero()
		again := c.waits && !first && now.Sub(at) >= recheckAfter && now.Sub(peer.mismatch) >= recheckAfter
		if again || result == differentAlone && now.Sub(at) >= differentMaxAge {
			return false, nil
		}
		if first {
			peer.mismatch, peer.alone = now, result == differentAlone
		}
		return true, &mismatch{c, peer.port}
	}
	return false, nil
}

func changedSince(file string, at time.Time) bool {
	info, err := os.Stat(file)
	return err == nil && info.ModTime().After(at)
}

// isAmbiguous reports whether p can be different machines on different networks: because
// of its address, or because any host on the link can answer for a target that led to it.
func isAmbiguous(p engine.Peer, targets []engine.Target) bool {
	if !p.Addr.AddrPort.IsValid() || p.Addr.Proxy != nil {
		return false
	}
	return IsAmbiguous(p.Addr.Addr()) || slices.ContainsFunc(targets, func(t engine.Target) bool {
		_, mac, _ := resolve.ParseMAC(t.Host)
		return mac || resolve.IsMDNS(t.Host)
	})
}

// IsAmbiguous reports whether a is in a range that many networks use: private (RFC 1918,
// RFC 4193), shared (RFC 6598) or link-local.
func IsAmbiguous(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || isShared(a)
}

// isShared reports whether a is in 100.64.0.0/10.
func isShared(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	b := a.As4()
	return b[0] == 100 && b[1]&0xc0 == 64
}
