//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

// stage has the addresses of the demo.
type stage struct {
	live []netip.AddrPort // sshd's, IPv4 first; the other is there if IPv6 is
	dead []*dead          // silent and refusing over IPv4, silent over IPv6
	lack error            // why there is no IPv6
}

// scene is one login: a Host of ssh_config, and a description.
type scene struct {
	about   string
	host    string
	live    netip.AddrPort
	name    string // for %h, if it is not the address: dualName
	targets string // what fdrace is given
}

// setStage binds the ports. The caller clears the stage, also after an error.
func setStage() (st stage, err error) {
	for _, dying := range []func(netip.Addr) (*dead, error){silent, refusing} {
		d, err := dying(loopback4)
		if err != nil {
			return st, err
		}
		st.dead = append(st.dead, d)
	}
	// A name has one port for all its addresses: sshd's over IPv4 shall be the
	// silent one's over IPv6.
	mute, err := silent(loopback6)
	if err != nil {
		st.lack = err
		live, err := free(loopback4, 0)
		st.live = append(st.live, live)
		return st, err
	}
	st.dead = append(st.dead, mute)
	for _, want := range []netip.AddrPort{
		netip.AddrPortFrom(loopback4, mute.addr.Port()),
		netip.AddrPortFrom(loopback6, 0),
	} {
		live, err := free(want.Addr(), want.Port())
		if err != nil {
			return st, err
		}
		st.live = append(st.live, live)
	}
	return st, nil
}

func (st stage) clear() {
	for _, d := range st.dead {
		d.close()
	}
}

// free returns an address that sshd can listen at. Port 0 is any.
func free(ip netip.Addr, port uint16) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, port).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// scenes returns what can be shown here, and a note for what cannot. noHosts is why ssh cannot
// have an /etc/hosts of its own.
func (st stage) scenes(noHosts error) (scenes []scene, notes []string) {
	mute, refusing := st.dead[0].addr, st.dead[1].addr
	scenes = []scene{{
		about:   "Three targets. The first is silent, the second refuses, the third is sshd.",
		host:    "several",
		live:    st.live[0],
		targets: fmt.Sprintf("%s %s %%h %%p", mute, refusing),
	}}
	if st.lack != nil {
		return scenes, []string{fmt.Sprintf("Loopback has no IPv6 here: %v.", st.lack)}
	}
	if noHosts == nil {
		scenes = append(scenes, scene{
			about:   "One name, two addresses. ::1 is silent at this port, so IPv4 follows.",
			host:    "name",
			live:    st.live[0],
			name:    dualName,
			targets: "%h %p",
		})
	} else {
		notes = append(notes, fmt.Sprintf("A name with two addresses is not shown: ssh cannot have an /etc/hosts of its own here: %v.", noHosts))
	}
	return append(scenes, scene{
		about:   "IPv6, behind a silent IPv4 target.",
		host:    "six",
		live:    st.live[1],
		targets: fmt.Sprintf("%s %%h %%p", mute),
	}), notes
}

// stanza returns the lines that make ssh use fdrace.
func (s scene) stanza() []string {
	name := s.name
	if name == "" {
		name = s.live.Addr().String()
	}
	return []string{
		"Host " + s.host,
		"    HostName " + name,
		fmt.Sprintf("    Port %d", s.live.Port()),
		"    ProxyCommand fdrace -vv -- " + s.targets,
		"    ProxyUseFdpass yes",
	}
}

// writeConfig writes an ssh_config of all scenes, with the keys that are in dir.
func writeConfig(dir string, scenes []scene) (path string, err error) {
	key, err := os.ReadFile(filepath.Join(dir, "server.pub"))
	if err != nil {
		return "", err
	}
	hosts := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(hosts, append([]byte("demo "), key...), 0o600); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, s := range scenes {
		fmt.Fprintln(&b, strings.Join(s.stanza(), "\n"))
	}
	fmt.Fprintf(&b, `Host *
    IdentityFile "%s/client"
    IdentitiesOnly yes
    IdentityAgent none
    HostKeyAlias demo
    UserKnownHostsFile "%s"
    StrictHostKeyChecking yes
    BatchMode yes
`, dir, hosts)
	path = filepath.Join(dir, "config")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}
