//go:build linux

package lab

import (
	"fmt"
	"os"
	"time"
)

// pressure is a reading of /proc/pressure/cpu (Linux 4.20, CONFIG_PSI).
type pressure struct {
	at      time.Time
	waiting time.Duration // for how long, since boot, some ready thread had no processor
}

// readPressure returns the zero value where the kernel does not tell.
func readPressure() pressure {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return pressure{}
	}
	var average [3]float64
	var micros int64
	if _, err := fmt.Sscanf(string(text), "some avg10=%f avg60=%f avg300=%f total=%d", &average[0], &average[1], &average[2], &micros); err != nil {
		return pressure{}
	}
	return pressure{time.Now(), time.Duration(micros) * time.Microsecond}
}

// since returns the share of the time since an earlier reading for which some ready
// thread had no processor; 0 if that is not known.
func (p pressure) since(earlier pressure) float64 {
	if p.at.IsZero() || earlier.at.IsZero() || !p.at.After(earlier.at) {
		return 0
	}
	return float64(p.waiting-earlier.waiting) / float64(p.at.Sub(earlier.at))
}
