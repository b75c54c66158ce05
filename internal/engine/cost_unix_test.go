//go:build unix

package engine

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWait measures one event among n open connections.
func BenchmarkWait(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { unix.Close(pair[0]); unix.Close(pair[1]) }()
			k, err := newKernel(b.Context(), &Dialer{}, &Started{})
			if err != nil {
				b.Fatal(err)
			}
			defer k.shut()
			for range n {
				k.polls = append(k.polls, unix.PollFd{Fd: int32(pair[0]), Events: unix.POLLIN})
			}
			for b.Loop() {
				k.post(answer{})
				if n, err := k.Wait(time.Second); err != nil || len(n.answers) != 1 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// A race of an IP address starts no goroutine and allocates little: each new size of an
// object costs the process two page faults.
func TestLiteralIsCheap(t *testing.T) {
	const most, runs = 34, 50
	target := backlog(t, runs+1) // nobody accepts: that would allocate, too
	before := runtime.NumGoroutine()
	n := testing.AllocsPerRun(runs, func() {
		w, err := new(Dialer).Dial(context.Background(), target)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(w.FD)
	})
	if n > most {
		t.Errorf("a race of an IP address allocates %v objects, %v allowed", n, most)
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines before, %d after", before, now)
	}
}
