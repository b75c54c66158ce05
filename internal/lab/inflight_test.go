//go:build linux

package lab

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestFlightsLeaveInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var h inflightHeap
		for number := range uint64(200) {
			h.push(inflight{due: time.Duration(random.IntN(50)), number: number})
		}
		last := h.pop()
		for len(h) > 0 {
			f := h.pop()
			if f.due < last.due || f.due == last.due && f.number < last.number {
				t.Fatalf("%d of %v left after %d of %v", f.number, f.due, last.number, last.due)
			}
			last = f
		}
	}
}
