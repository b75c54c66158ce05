// Package mptcp makes Multipath TCP sockets (RFC 8684), and tells what has
// become of a connection and what this machine would do with one.
//
//	Socket ──> connect ──> InUse     does it speak MPTCP at all?
//	                       ReadInfo  by which subflows, and how much by each?
//	                       GrowReceiveBuffer, so that it outlives the loss of one
//	Endpoints, ReadLimits            from which addresses may there be more?
//
// An MPTCP socket falls back to plain TCP, without an error, when the server
// or something on the way does not take the option: ask InUse. A connection
// has more than its first path only where the system has endpoints: see
// Endpoints. Nothing here changes how the machine is set up.
//
// Everything returns errors.ErrUnsupported on systems other than Linux.
package mptcp
