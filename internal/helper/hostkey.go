package helper

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/hostkey"
	"fdrace/internal/resolve"
	"fdrace/internal/state"
	"fdrace/internal/term"

	"golang.org/x/sys/unix"
)

const (
	// checkedFor is how long the result of a check is remembered.
	checkedFor = 10 * time.Minute

	// The kind of its record in the state file, and the results.
	hostKeyRecord = "hostkey"
	sameKey       = "same"
	differentKey  = "different"
)

// addHostKey makes d check host keys, if --host-key asks for that.
func (o *Options) addHostKey(d *engine.Dialer) error {
	switch {
	case o.HostKey == nil && o.HostKeyAlways:
		return errors.New("--host-key-always: add --host-key NAME")
	case o.HostKey == nil && o.KnownHosts != nil:
		return errors.New("--known-hosts: add --host-key NAME")
	case o.HostKey == nil:
		return nil
	case *o.HostKey == "" || strings.ContainsFunc(*o.HostKey, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("--host-key %q: write the name that known_hosts has, such as %%k or %%h in ssh_config", *o.HostKey)
	}
	c := &checker{name: *o.HostKey, always: o.HostKeyAlways, files: hostkey.Files()}
	if o.KnownHosts != nil {
		c.files = []string{*o.KnownHosts}
	}
	var err error
	if c.ssh, err = lookPath("ssh"); err == nil {
		c.keygen, err = lookPath("ssh-keygen")
	}
	if err != nil {
		return fmt.Errorf("--host-key: %w", err)
	}
	d.HostKey = &engine.HostKeyCheck{Known: c.known, Start: c.start, Verdict: c.verdict, Done: c.done}
	return nil
}

// A checker has ssh compare host keys, and remembers what it has found. sshd 10.0 counts
// a penalty of 1 s (noauth of PerSourcePenalties) for each check, and refuses this client
// above 15 s: that is why checks are not repeated.
type checker struct {
	name        string
	files       []string
	always      bool
	ssh, keygen string

	memory *state.File              // nil until it is needed
	keys   map[uint16]*hostkey.Keys // by port
	wrote  map[uint16]string        // the files that have them
	peers  map[engine.Peer]*checked
	warned bool
}

// checked is what a checker knows of a peer.
type checked struct {
	key  string // of its record; "" if nothing is remembered
	ours bool   // it is for this process to check
}

// known is engine.HostKeyCheck.Known.
func (c *checker) known(p engine.Peer, targets []engine.Target, fd int) error {
	if !c.always && !isAmbiguous(p, targets) {
		return nil
	}
	peer := c.peers[p]
	if peer == nil {
		if c.peers == nil {
			c.peers = map[engine.Peer]*checked{}
		}
		peer = &checked{key: c.recordKey(p, fd)}
		c.peers[p] = peer
	}
	if result, err := c.remembered(peer); result {
		return err
	}
	keys, err := c.find(portOf(p.Addr))
	switch {
	case err != nil:
		return err
	case !keys.Known():
		if !c.warned {
			c.warned = true
			statusLine.erase()
			printErr(fmt.Sprintf("fdrace: no host key is known for %s: going on without a check", c.name))
		}
		return nil
	case peer.key == "" || peer.ours:
		return engine.ErrUnchecked
	case !c.memory.Lock(peer.key):
		return engine.ErrBeingChecked
	}
	// Another process may have found out between the look and the lock.
	if result, err := c.remembered(peer); result {
		c.memory.Unlock(peer.key)
		return err
	}
	peer.ours = true
	return engine.ErrUnchecked
}

// isAmbiguous reports whether p may be one machine in one network and another one in
// the next: by its address, or because a target that led to it is answered on the link.
func isAmbiguous(p engine.Peer, targets []engine.Target) bool {
	if !p.Addr.AddrPort.IsValid() || p.Addr.Proxy != nil {
		return false
	}
	return IsAmbiguous(p.Addr.Addr()) || slices.ContainsFunc(targets, func(t engine.Target) bool {
		_, mac, _ := resolve.ParseMAC(t.Host)
		return mac || resolve.IsMDNS(t.Host)
	})
}

// IsAmbiguous reports whether a is of a range that every network has: private (RFC
// 1918, RFC 4193), shared (RFC 6598) or link-local.
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

// recordKey is what the record of p is called: by its address and the name of its key,
// on the network that fd is connected by. It is "" if that cannot be told from others.
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
	if c.memory == nil {
		c.memory, _ = state.Open(state.Paths()...) // without one nothing is remembered
	}
	return network + "," + p.Addr.String() + "," + strings.ToLower(c.name)
}

// remembered reports whether the result of a check is known, and returns it. Another
// key counts for as long as known_hosts has not changed.
func (c *checker) remembered(peer *checked) (known bool, err error) {
	if peer.key == "" {
		return false, nil
	}
	switch result, at, _ := c.memory.Find(hostKeyRecord, peer.key, checkedFor); {
	case result == sameKey:
		return true, nil
	case result == differentKey && !slices.ContainsFunc(c.files, func(file string) bool { return changedSince(file, at) }):
		return true, hostkey.ErrMismatch
	}
	return false, nil
}

// portOf is the port that ssh looks a key up by.
func portOf(a engine.Addr) uint16 {
	switch {
	case a.Proxy != nil:
		return a.Proxy.Target.Port
	case a.AddrPort.IsValid():
		return a.Port()
	}
	return 22 // a socket has none
}

func changedSince(file string, at time.Time) bool {
	info, err := os.Stat(file)
	return err == nil && info.ModTime().After(at)
}

// find returns the keys that the host may have at port.
func (c *checker) find(port uint16) (*hostkey.Keys, error) {
	if keys := c.keys[port]; keys != nil {
		return keys, nil
	}
	keys, err := hostkey.Find(c.keygen, c.name, port, c.files)
	if err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w", err)
	}
	if c.keys == nil {
		c.keys, c.wrote = map[uint16]*hostkey.Keys{}, map[uint16]string{}
	}
	c.keys[port] = keys
	return keys, nil
}

// start is engine.HostKeyCheck.Start.
func (c *checker) start(p engine.Peer, conn, stderr int) (pid int, err error) {
	port := portOf(p.Addr)
	keys := c.keys[port]
	if c.wrote[port] == "" {
		dir := os.Getenv("XDG_RUNTIME_DIR") // which is emptied at logout, should this process be killed
		if c.wrote[port], err = keys.Write(dir); err != nil {
			if c.wrote[port], err = keys.Write(os.TempDir()); err != nil {
				return 0, err
			}
		}
	}
	pid, err = syscall.ForkExec(c.ssh, keys.Args(c.wrote[port]), &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(conn), uintptr(conn), uintptr(stderr)},
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.ssh, err)
	}
	return pid, nil
}

// verdict is engine.HostKeyCheck.Verdict.
func (c *checker) verdict(p engine.Peer, said string, ended bool) error {
	err := hostkey.Verdict(said, ended)
	if err == hostkey.ErrPending {
		return engine.ErrUnchecked
	}
	peer := c.peers[p]
	if peer.key != "" {
		switch err {
		case nil:
			c.memory.Add(hostKeyRecord, peer.key, sameKey)
		case hostkey.ErrMismatch:
			c.memory.Add(hostKeyRecord, peer.key, differentKey)
		}
		c.memory.Unlock(peer.key)
		peer.ours = false
	}
	var failure *hostkey.Failure
	if errors.As(err, &failure) && failure.Banner != "" {
		return &engine.Refusal{Said: term.Sanitize(failure.Banner)}
	}
	return err
}

// done removes what was written for ssh.
func (c *checker) done() {
	for _, path := range c.wrote {
		os.Remove(path)
	}
}
