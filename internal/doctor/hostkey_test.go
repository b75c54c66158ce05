//go:build unix

package doctor

import (
	"testing"
	"testing/synctest"
	"time"

	"fdrace/internal/helper"
)

// sshd counts a second for each connection that does not log in, and adds them up.
func TestAwaitPardon(t *testing.T) {
	for _, tt := range []struct {
		seen int    // connections on which host keys were compared
		log  string // of the path check; "" if there was none
		want time.Duration
	}{
		{0, "", 0},
		{0, "the server logs one connection", time.Second},
		{3, "", 3 * time.Second},
		{3, "the server logs one connection", 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &login{seen: tt.seen}
			began := time.Now()
			if tt.log != "" {
				l.pardon = func() { helper.AwaitPardon(tt.log, began) }
			}
			if l.awaitPardon(); time.Since(began) != tt.want {
				t.Errorf("%d host keys, path %q: waited %v, want %v", tt.seen, tt.log, time.Since(began), tt.want)
			}
		})
	}
}
