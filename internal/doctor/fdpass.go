package doctor

func (l *login) checkFdpass() Finding {
	f := Finding{Check: "ProxyUseFdpass", Status: OK, Found: "yes"}
	if !l.config.is("proxyusefdpass", "yes") {
		f.Status, f.Found = Fail, "no: ssh would have fdrace relay, which it never does"
		f.Remedy, f.Where = l.hostBlock("ProxyUseFdpass yes"), InConfig
	}
	return f
}
