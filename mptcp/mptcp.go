// Package mptcp creates Multipath TCP sockets (RFC 8684) and reports the state of
// connections and the configuration of this machine.
//
//	Socket ──> connect ──> InUse     does the connection use MPTCP?
//	                       ReadInfo  which subflows does it have, with how much data on each?
//	                       GrowReceiveBuffer, so that it survives the loss of one
//	Endpoints, ReadLimits            from which addresses can it have more?
//
// An MPTCP socket falls back to plain TCP without an error if the server or a
// middlebox does not support the option: call InUse. A connection has more than
// one path only if the system has endpoints: see Endpoints. This package changes
// no configuration.
//
// On systems other than Linux all functions return errors.ErrUnsupported, except
// ConnectLimit, which returns 0.
package mptcp
