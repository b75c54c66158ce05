//go:build unix

package doctor

// checkFdpass checks that ssh expects a descriptor from the ProxyCommand.
func (l *login) checkFdpass() Finding {
	f := Finding{Check: "ProxyUseFdpass", Status: OK, Found: "yes"}
	if !l.config.is("proxyusefdpass", "yes") {
		f.Status, f.Found = Fail, "no: ssh then expects a relay, which fdrace is not"
		f.Remedy, f.Where = l.hostBlock("ProxyUseFdpass yes"), InConfig
	}
	return f
}
