//go:build unix

package doctor

import (
	"fmt"
	"slices"
)

func (l *login) checkFdpass() Finding {
	f := Finding{Check: "ProxyUseFdpass", Status: OK, Found: "yes"}
	if !l.config.is("proxyusefdpass", "yes") {
		f.Status, f.Found = Fail, "no: ssh expects fdrace to relay the session, which it never does"
		f.Remedy, f.Where = l.hostBlock("ProxyUseFdpass yes"), InConfig
	}
	return f
}

// checkOtherFdpass is for a ProxyCommand that is not fdrace, of which ssh wants a
// descriptor all the same: that is often said for all hosts.
func (l *login) checkOtherFdpass() []Finding {
	if !l.config.is("proxyusefdpass", "yes") || l.config.unset("proxycommand") {
		return nil
	}
	words, err := splitWords(l.command)
	passes := func(w word) bool { return w.text == "-F" } // OpenBSD's nc
	if err != nil || slices.ContainsFunc(words, passes) {
		return nil
	}
	return []Finding{{
		Check: "ProxyUseFdpass", Status: Fail,
		Found:  fmt.Sprintf("yes, but %s does not pass a descriptor: ssh says \"mm_receive_fd: no message header\"", words[0].text),
		Remedy: l.hostBlock("ProxyUseFdpass no"), Where: InConfig,
	}}
}
