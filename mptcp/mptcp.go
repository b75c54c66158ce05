// Package mptcp makes Multipath TCP sockets (RFC 8684) and tells whether a
// connection really is one.
//
// An MPTCP socket falls back to plain TCP, without an error, when the server
// or something on the way does not take the option: ask InUse. Everything here
// returns errors.ErrUnsupported on systems other than Linux.
package mptcp
