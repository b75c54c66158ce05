//go:build unix

package engine

import (
	"context"
	"slices"
	"testing"
)

// A race that goes on when it is won resets what it has connected, the winner
// too, before a server sees it, and keeps nothing.
func TestKernelRunAll(t *testing.T) {
	first, firstEnd := listener(t, "127.0.0.1")
	second, secondEnd := listener(t, "127.0.0.1")
	nobody := refusing(t)
	noLeak(t)
	var ends []EventKind
	d := Dialer{RunAll: true, Report: func(e Event) {
		if e.Kind >= Failed {
			ends = append(ends, e.Kind)
		}
	}}
	w, err := d.Dial(context.Background(), first, second, nobody)
	if err != nil {
		t.Fatal(err)
	}
	if w.FD != -1 || w.Tried < 1 || w.Known != 3 {
		t.Errorf("the winner is %+v", w)
	}
	slices.Sort(ends)
	if !slices.Equal(ends, []EventKind{Failed, Won, Cancelled}) {
		t.Errorf("the attempts ended by %v", ends)
	}
	unseen(t, first, firstEnd)
	unseen(t, second, secondEnd)
}
