//go:build linux

package lab

import "time"

// inflight is a packet on its way, or a call that is due later.
type inflight struct {
	due    time.Duration // on the wire's clock
	number uint64        // orders what is due at the same time
	call   func()        // nil for a packet
	link   *Link
	cut    int // the link's, when the packet entered
	dir    Direction
	buf    *[mtu]byte
	n      int
	record *Packet // nil if the packet is not recorded
}

// inflightHeap is a heap, the first due on top. container/heap would allocate for
// every packet.
type inflightHeap []inflight

func (h inflightHeap) less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].number < h[j].number
}

func (h *inflightHeap) push(f inflight) {
	*h = append(*h, f)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.less(i, parent) {
			return
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (h *inflightHeap) pop() inflight {
	s := *h
	first, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = inflight{}
	s = s[:last]
	*h = s
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s); child++ {
			if s.less(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
