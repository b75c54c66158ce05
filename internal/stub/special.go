package stub

// IsOnion reports whether name is onion or ends in .onion, with or without a
// trailing dot. Such a name is Tor's and must not reach a name server (RFC 7686
// section 2).
func IsOnion(name string) bool { return isBelow(trimDot(name), "onion") }

// IsLocal reports whether name is local or ends in .local, with or without a trailing
// dot: such names belong to Multicast DNS (RFC 6762 section 3).
func IsLocal(name string) bool { return isBelow(trimDot(name), "local") }
