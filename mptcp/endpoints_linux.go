package mptcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"fdrace/internal/netlink"

	"golang.org/x/sys/unix"
)

// From linux/mptcp_pm.h: the generic netlink family of the kernel's path manager.
const (
	pmName    = "mptcp_pm"
	pmVersion = 1

	pmGetAddr   = 3
	pmGetLimits = 6

	pmAddr         = 1 // nested
	pmRcvAddAddrs  = 2 // u32
	pmSubflows     = 3 // u32
	pmAddrID       = 2 // u8; this and the rest are inside pmAddr
	pmAddr4        = 3
	pmAddr6        = 4
	pmAddrPort     = 5 // u16, in the machine's byte order
	pmAddrFlags    = 6 // u32
	pmAddrIfaceIdx = 7 // s32
)

// Endpoints returns the endpoints of this network namespace, including those that
// the kernel made by itself. It needs no privilege on Linux 6.18. The error matches
// unix.EPERM on kernels where it does, and unix.ENOENT on a kernel without MPTCP.
func Endpoints() ([]Endpoint, error) {
	messages, err := ask(pmName, pmVersion, pmGetAddr, unix.NLM_F_DUMP)
	if err != nil {
		return nil, pmError("read the MPTCP endpoints", err)
	}
	var all []Endpoint
	for _, m := range messages {
		e, err := parseEndpoint(m)
		if err != nil {
			return nil, pmError("read the MPTCP endpoints", err)
		}
		all = append(all, e)
	}
	return all, nil
}

// ReadLimits returns the limits of this network namespace. Its errors are those
// of Endpoints.
func ReadLimits() (Limits, error) {
	messages, err := ask(pmName, pmVersion, pmGetLimits, 0)
	if err == nil && len(messages) != 1 {
		err = netlink.ErrMalformed
	}
	if err != nil {
		return Limits{}, pmError("read the MPTCP limits", err)
	}
	l, err := parseLimits(messages[0])
	if err != nil {
		return Limits{}, pmError("read the MPTCP limits", err)
	}
	return l, nil
}

func pmError(what string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT): // there is no netlink family of that name
		return fmt.Errorf("%s: this kernel has no MPTCP (CONFIG_MPTCP, Linux 5.6): %w", what, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: this kernel lets only root read them (CAP_NET_ADMIN): %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// parseEndpoint reads an answer to pmGetAddr. It skips unknown attributes.
func parseEndpoint(attributes []byte) (e Endpoint, err error) {
	err = netlink.Attributes(attributes, func(kind uint16, value []byte) bool {
		if kind != pmAddr {
			return true
		}
		return netlink.Attributes(value, e.set) == nil
	})
	if err == nil && !e.Addr.IsValid() {
		err = netlink.ErrMalformed
	}
	return e, err
}

// set stores one attribute of an endpoint, and reports whether its size is right.
func (e *Endpoint) set(kind uint16, value []byte) bool {
	size := map[uint16]int{pmAddrID: 1, pmAddr4: 4, pmAddr6: 16, pmAddrPort: 2, pmAddrFlags: 4, pmAddrIfaceIdx: 4}[kind]
	if size != 0 && len(value) != size {
		return false
	}
	switch kind {
	case pmAddrID:
		e.ID = value[0]
	case pmAddr4:
		e.Addr = netip.AddrFrom4([4]byte(value))
	case pmAddr6:
		e.Addr = netip.AddrFrom16([16]byte(value))
	case pmAddrPort:
		e.Port = binary.NativeEndian.Uint16(value)
	case pmAddrFlags:
		e.Flags = Flags(binary.NativeEndian.Uint32(value))
	case pmAddrIfaceIdx:
		e.Index = int(int32(binary.NativeEndian.Uint32(value)))
	}
	return true
}

// parseLimits reads the answer to pmGetLimits.
func parseLimits(attributes []byte) (l Limits, err error) {
	err = netlink.Attributes(attributes, func(kind uint16, value []byte) bool {
		if kind != pmRcvAddAddrs && kind != pmSubflows {
			return true
		}
		if len(value) != 4 {
			return false
		}
		n := int(int32(binary.NativeEndian.Uint32(value)))
		if kind == pmSubflows {
			l.Subflows = n
		} else {
			l.AddAddrAccepted = n
		}
		return n >= 0
	})
	return l, err
}
