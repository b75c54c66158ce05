package stub

// IsLocalhost reports whether name is localhost or below it: this machine, and
// no name server is asked (RFC 6761 section 6.3).
func IsLocalhost(name string) bool {
	name = trimDot(name)
	return equalFold(name, "localhost") || hasSuffixFold(name, ".localhost")
}

// IsOnion reports whether name is one of Tor's, which must not reach a name
// server (RFC 7686 section 2).
func IsOnion(name string) bool {
	name = trimDot(name)
	return equalFold(name, "onion") || hasSuffixFold(name, ".onion")
}
