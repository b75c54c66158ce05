//go:build unix

package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// checkOpenSSH asks the ssh in PATH for its version, and whether it supports ProxyUseFdpass,
// as OpenSSH 6.5 (2014) and later does unless it was built without that.
func checkOpenSSH() Finding {
	f := Finding{Check: "OpenSSH", Status: Fail, Remedy: installSSH(), Where: InShell}
	if f.Remedy == "" {
		f.Remedy, f.Where = "install OpenSSH's client", ByHand
	}
	path, found := find("ssh")
	if !found {
		f.Found = "no ssh in PATH"
		return f
	}
	s, err := run(path, "-V")
	if err != nil {
		f.Found = err.Error()
		return f
	}
	version, isOpenSSH := parseVersion(s.err + s.out)
	if !isOpenSSH {
		f.Found = fmt.Sprintf("%s is not OpenSSH: it calls itself %q", path, s.firstLine())
		return f
	}
	s, err = run(path, "-o", "ProxyUseFdpass=yes", "-V")
	if err != nil || s.ending() != "" {
		f.Found = fmt.Sprintf("%s is %s, without ProxyUseFdpass (%s): install 6.5 or later", path, version, s.firstLine())
		return f
	}
	return Finding{Check: f.Check, Status: OK, Found: version + " in " + path + ", supports ProxyUseFdpass"}
}

// parseVersion finds the version in the output of ssh -V, such as "OpenSSH_9.2p1
// Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024".
func parseVersion(text string) (version string, ok bool) {
	_, rest, ok := strings.Cut(text, "OpenSSH_")
	if !ok {
		return "", false
	}
	version = rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' || r == ',' }); end >= 0 {
		version = rest[:end]
	}
	major, _, _ := strings.Cut(version, ".")
	_, err := strconv.Atoi(major)
	return version, err == nil
}

// installSSH returns the command that installs OpenSSH's client, or "" if it is not known.
func installSSH() string {
	for _, manager := range [][2]string{
		{"apt-get", "install openssh-client"},
		{"dnf", "install openssh-clients"},
		{"zypper", "install openssh-clients"},
		{"apk", "add openssh-client"},
		{"pacman", "-S openssh"},
		{"brew", "install openssh"},
	} {
		if _, found := find(manager[0]); found {
			return sudo(manager[0] + " " + manager[1])
		}
	}
	return ""
}
