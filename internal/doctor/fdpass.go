//go:build unix

package doctor

func (l *login) checkFdpass() Finding {
	f := Finding{Check: "ProxyUseFdpass", Status: OK, Found: "yes"}
	if !l.config.is("proxyusefdpass", "yes") {
		f.Status, f.Found = Fail, "no: ssh then expects a relay, and fdrace is none"
		f.Remedy, f.Where = l.hostBlock("ProxyUseFdpass yes"), InConfig
	}
	return f
}
