//go:build unix

package helper

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/hostkey"
	"fdrace/internal/state"
	"fdrace/internal/term"
)

const (
	// othersTimeout is how long a login waits for the check of another process. That
	// process may have been stopped, for example by ^Z.
	othersTimeout = 3 * time.Second

	// putOff is how long other candidates come first, if in an earlier race one of them
	// won during the check.
	putOff = time.Second
)

// addHostKey sets up the check of host keys if the command line has --host-key.
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
	c := &checker{name: *o.HostKey, always: o.HostKeyAlways, waits: o.Wait != nil || len(o.Wake) > 0, files: hostkey.Files(), now: time.Now}
	// The first is cleared at logout: this process may be killed before it removes its file.
	c.dirs = []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"}
	if o.KnownHosts != nil {
		file := *o.KnownHosts
		if rest, ok := strings.CutPrefix(file, "~/"); ok { // a shell leaves it after =
			file = hostkey.Home() + "/" + rest
		}
		c.files = []string{file}
	}
	var err error
	if c.ssh, err = lookPath("ssh"); err == nil {
		c.keygen, err = lookPath("ssh-keygen")
	}
	if err != nil {
		return fmt.Errorf("--host-key: %w", err)
	}
	o.checker = c
	d.HostKey = &engine.HostKeyCheck{Known: c.known, Start: c.start, Verdict: c.verdict, Done: c.done}
	return nil
}

// A checker implements --host-key: it runs ssh to compare host keys, and keeps the
// results. Each check costs a penalty of 1 s at sshd 10.0 (noauth in PerSourcePenalties),
// which refuses a client above 15 s: so no check is repeated.
type checker struct {
	name        string
	files       []string // known_hosts
	dirs        []string // for temporary files, in order of preference
	always      bool
	waits       bool   // --wait is set: candidates that failed are tried again
	ssh, keygen string // paths of the programs

	state     *state.File              // nil until a candidate needs it
	keys      map[uint16]*hostkey.Keys // by port
	tempFiles map[uint16]string        // by port: the path of the file with the keys for ssh
	peers     map[engine.Peer]*peerState
	warning   string // printed: why servers are not checked
	started   int    // number of checks that this process has started
	now       func() time.Time
}

// A peerState is what a checker knows about a peer.
type peerState struct {
	key        string    // of its record in the state file; "" if results are not kept
	port       uint16    // under which ssh looks up the host key
	mine       bool      // this process has the lock, and checks it
	othersFrom time.Time // since when this process has been waiting for another one to check it
	takeovers  int       // how many other processes it has waited for in vain
	running    bool      // ssh is checking it
	notBefore  time.Time // when it may be checked, at the earliest
	mismatch   time.Time // when it was last found to be another machine, or first recalled; zero if its key matches now
	alone      bool      // and the record is differentAlone
}

// known is engine.HostKeyCheck.Known.
func (c *checker) known(p engine.Peer, targets []engine.Target, fd int) error {
	if !c.always && !isAmbiguous(p, targets) {
		return nil
	}
	peer := c.peers[p]
	if peer == nil {
		if c.peers == nil {
			c.peers = map[engine.Peer]*peerState{}
		}
		peer = &peerState{key: c.recordKey(p, fd), port: portOf(p.Addr)}
		c.peers[p] = peer
		if result, _ := c.result(peer); result == unfinished {
			peer.notBefore = c.now().Add(putOff)
		}
	}
	if result, err := c.remembered(peer); result {
		return err
	}
	if c.now().Before(peer.notBefore) {
		return engine.ErrCheckLater
	}
	// One process at a time goes on: when forty run ssh-keygen at once, it takes so long
	// that servers see the connections that wait for it.
	if !c.lock(peer) {
		return engine.ErrBeingChecked
	}
	// Another process may have finished since c.remembered was called.
	if result, err := c.remembered(peer); result {
		c.unlock(peer)
		return err
	}
	keys, err := c.find(peer.port)
	switch {
	case err != nil:
		c.unlock(peer)
		return err
	case !keys.Known():
		c.unlock(peer)
		c.warn("no host key is known for " + c.name)
		return nil
	}
	if err := c.write(peer.port, keys); err != nil {
		c.unlock(peer)
		c.warn("cannot check the host key: " + err.Error())
		return nil
	}
	return engine.ErrUnchecked
}

// warn prints why servers are not checked, once.
func (c *checker) warn(why string) {
	if c.warning != "" {
		return
	}
	c.warning = why
	statusLine.erase()
	printErr("fdrace: " + why + ": continuing without a check")
}

// lock reports whether this process may check peer now. If another process does not
// finish within othersTimeout, one of those that wait takes over, and the rest wait for
// that one.
func (c *checker) lock(peer *peerState) bool {
	if peer.key == "" || peer.mine {
		return true
	}
	now := c.now()
	switch {
	case peer.othersFrom.IsZero():
		peer.othersFrom = now
	case now.Sub(peer.othersFrom) >= othersTimeout:
		peer.othersFrom = now
		peer.takeovers++
	}
	peer.mine = c.state.Lock(peer.lockKey())
	return peer.mine
}

func (c *checker) unlock(peer *peerState) {
	if peer.mine {
		c.state.Unlock(peer.lockKey())
		peer.mine = false
	}
}

// lockKey returns what lock locks.
func (p *peerState) lockKey() string { return p.key + "," + strconv.Itoa(p.takeovers) }

// portOf returns the port under which ssh looks up the host key.
func portOf(a engine.Addr) uint16 {
	switch {
	case a.Proxy != nil:
		return a.Proxy.Target.Port
	case a.AddrPort.IsValid():
		return a.Port()
	}
	return 22 // a socket has none
}

// find returns the host keys that are known for port.
func (c *checker) find(port uint16) (*hostkey.Keys, error) {
	if keys := c.keys[port]; keys != nil {
		return keys, nil
	}
	keys, err := hostkey.Find(c.keygen, c.name, port, c.files)
	if err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w", err)
	}
	if c.keys == nil {
		c.keys = map[uint16]*hostkey.Keys{}
	}
	c.keys[port] = keys
	return keys, nil
}

// write writes the keys for port to a file for ssh.
func (c *checker) write(port uint16, keys *hostkey.Keys) error {
	if c.tempFiles[port] != "" {
		return nil
	}
	var err error
	for _, dir := range c.dirs {
		var path string
		if path, err = keys.Write(dir); err == nil {
			if c.tempFiles == nil {
				c.tempFiles = map[uint16]string{}
			}
			c.tempFiles[port] = path
			return nil
		}
	}
	return err
}

// start is engine.HostKeyCheck.Start.
func (c *checker) start(p engine.Peer, conn, stderr int) (pid int, err error) {
	port := portOf(p.Addr)
	pid, err = syscall.ForkExec(c.ssh, c.keys[port].Args(c.tempFiles[port]), &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(conn), uintptr(conn), uintptr(stderr)},
		Sys:   childAttr(),
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.ssh, err)
	}
	c.started++
	c.peers[p].running = true
	return pid, nil
}

// A mismatch is hostkey.ErrMismatch of a server on port.
type mismatch struct {
	c    *checker
	port uint16
}

func (m *mismatch) Error() string { return hostkey.ErrMismatch.Error() }

func (m *mismatch) Unwrap() error { return hostkey.ErrMismatch }

// removeCommand returns the command that removes the key that the server should have had.
func (m *mismatch) removeCommand() string {
	keys, err := m.c.find(m.port)
	if err != nil || !keys.Known() {
		return "ssh-keygen -R " + term.Quote(m.c.name)
	}
	return keys.RemoveCommand()
}

// unchecked returns a line that says why the host key of w was not checked, or "" if it was
// checked or w is a command.
func (c *checker) unchecked(w *engine.Winner) string {
	peer := c.peers[engine.Peer{Addr: w.Addr, Interface: w.Interface}]
	if w.Addr.Command != nil {
		return ""
	}
	if peer == nil {
		return "the host key was not checked: --host-key checks only addresses that can be another machine elsewhere; --host-key-always checks each"
	}
	if c.warning != "" && c.tempFiles[peer.port] == "" {
		return "the host key was not checked: " + c.warning
	}
	return ""
}

// verdict is engine.HostKeyCheck.Verdict.
func (c *checker) verdict(p engine.Peer, said string, ended bool) error {
	err := hostkey.Verdict(said, ended)
	if err == hostkey.ErrPending {
		return engine.ErrUnchecked
	}
	peer := c.peers[p]
	peer.running = false
	if peer.key != "" {
		switch err {
		case nil:
			c.state.Add(hostKeyRecord, peer.key, sameKey)
		case hostkey.ErrMismatch:
			c.state.Add(hostKeyRecord, peer.key, differentKey)
		}
		c.unlock(peer)
	}
	switch err {
	case nil:
		peer.mismatch = time.Time{}
	case hostkey.ErrMismatch:
		peer.mismatch, peer.alone = c.now(), false
		return &mismatch{c, portOf(p.Addr)}
	}
	var failure *hostkey.Failure
	if errors.As(err, &failure) && failure.Banner != "" {
		return &engine.Refusal{Said: term.Sanitize(failure.Banner)}
	}
	return err
}

// done is engine.HostKeyCheck.Done: it removes the temporary files. If somebody has won, it
// records which checks are unfinished, and if nobody has, which candidates had a different
// key.
func (c *checker) done(w *engine.Winner) {
	for _, path := range c.tempFiles {
		os.Remove(path)
	}
	for _, peer := range c.peers {
		switch {
		case peer.key == "":
		case w != nil && peer.running:
			c.state.Add(hostKeyRecord, peer.key, unfinished)
		case w == nil && !peer.mismatch.IsZero() && !peer.alone:
			c.state.Add(hostKeyRecord, peer.key, differentAlone)
		}
	}
}
