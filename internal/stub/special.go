package stub

// IsOnion reports whether name is onion or ends in .onion, with or without a
// trailing dot. Such a name is Tor's and must not reach a name server (RFC 7686
// section 2).
func IsOnion(name string) bool { return isBelow(trimDot(name), "onion") }
