//go:build unix

package helper

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fdrace/internal/engine"
)

func TestWaitOptions(t *testing.T) {
	ten := span(10 * time.Second)
	for _, tt := range []struct {
		o     Options
		wait  time.Duration
		macs  string
		wrong string
	}{
		{o: Options{Words: []string{"box"}}},
		{o: Options{Words: []string{"box"}, Wait: &ten}, wait: 10 * time.Second},
		{o: Options{Words: []string{"box"}, Wake: WakeFlag{"00:00:5e:00:53:01"}}, wait: time.Minute, macs: "00:00:5e:00:53:01"},
		{o: Options{Words: []string{"00-00-5E-00-53-02", "box"}, Wake: WakeFlag{"", "00:00:5e:00:53:01"}, Wait: &ten}, wait: 10 * time.Second, macs: "00:00:5e:00:53:02 00:00:5e:00:53:01"},
		{o: Options{Words: []string{"box"}, Wake: WakeFlag{""}}, wrong: "--wake: no target is a MAC address"},
		{o: Options{Words: []string{"box"}, Wake: WakeFlag{"box"}}, wrong: `--wake: "box" is not a MAC address`},
		{o: Options{Words: []string{"box"}, Wait: new(span)}, wrong: "--wait 0: write how long"},
	} {
		_, d, err := tt.o.Plan()
		if tt.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.wrong) {
				t.Errorf("%v, want %s", err, tt.wrong)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		var macs []string
		if tt.o.waker != nil {
			for _, mac := range tt.o.waker.macs {
				macs = append(macs, mac.String())
			}
		}
		if d.Wait != tt.wait || strings.Join(macs, " ") != tt.macs {
			t.Errorf("%+v: waits %v, wakes %v", tt.o, d.Wait, macs)
		}
	}
}

// A packet is sent at the start and every second, whatever has connected, and not once only
// commands go on; the status line goes on.
func TestWakerTimes(t *testing.T) {
	sent, drawn := []time.Duration{}, 0
	w := &waker{send: func(now time.Duration) { sent = append(sent, now) }}
	d := &engine.Dialer{OnProgress: func(engine.Progress) bool { drawn++; return drawn < 45 }}
	w.start(d)
	const wait = 4 * time.Second
	for at := 500 * ms; at <= 6*time.Second; at += 100 * ms {
		left := max(0, wait-at)
		if !d.OnProgress(engine.Progress{At: at, Left: left}) && (left > 0 || drawn < 45) {
			t.Fatalf("it stops at %v", at)
		}
	}
	if want := []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(sent, want) {
		t.Errorf("sent at %v, want %v", sent, want)
	}
	if drawn != 45 {
		t.Errorf("drawn %d times", drawn)
	}
}
