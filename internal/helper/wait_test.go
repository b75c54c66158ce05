//go:build unix

package helper

import (
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

// A packet is sent at the start, every second, and not once there is a connection;
// the status line goes on.
func TestWakerTimes(t *testing.T) {
	sent, drawn, told := []time.Duration{}, 0, 0
	w := &waker{send: func(now time.Duration) { sent = append(sent, now) }}
	d := &engine.Dialer{
		Report:     func(engine.Event) { told++ },
		OnProgress: func(engine.Progress) bool { drawn++; return drawn < 25 },
	}
	w.start(d)
	for at := 500 * ms; at <= 5*time.Second; at += 100 * ms {
		if at == 2500*ms {
			d.Report(engine.Event{Kind: engine.Failed})
		}
		if at == 3500*ms {
			d.Report(engine.Event{Kind: engine.Connected})
		}
		if !d.OnProgress(engine.Progress{At: at}) && at < 3500*ms {
			t.Fatalf("it stops at %v", at)
		}
	}
	if len(sent) != 4 || sent[0] != 0 || sent[1] != time.Second || sent[3] != 3*time.Second {
		t.Errorf("sent at %v", sent)
	}
	if drawn != 25 || told != 2 {
		t.Errorf("drawn %d times, told %d", drawn, told)
	}
}
