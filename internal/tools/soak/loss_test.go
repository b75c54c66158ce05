//go:build linux

package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"fdrace/mptcp"
)

// TestLoss runs a part of "make soak -only loss". Its races are too few to see a p99,
// and to hold the share of MPTCP exactly: of 100 that are expected to keep it in 97
// cases, one in several thousand runs has more than ten that do not. Without a
// second attempt there would be twenty.
func TestLoss(t *testing.T) {
	if noLab != nil {
		t.Skip(noLab)
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("needs /dev/net/tun: run `modprobe tun`: ", err)
	}
	nc, err := exec.LookPath("nc")
	if err != nil {
		t.Skip(err, ": run `apt-get install netcat-openbsd`")
	}
	if err := mptcp.Supported(); err != nil {
		t.Skip(err, ": run `sysctl net.mptcp.enabled=1`, on a kernel with CONFIG_MPTCP")
	}
	fdrace, err := build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cases := lossCases(fdrace, nc)
	for i := range cases {
		cases[i].helpers = cases[i].helpers[:1] // nc waits for seconds
	}
	const races, jobs, keptLeast = 100, 20, 0.90
	rows, paused, err := raceOn(lossNetwork{10, 20 * time.Millisecond}, cases, races, jobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		r.sort()
		t.Logf("%s: mean %v, p50 %v, p90 %v, MPTCP %.0f %%", r.title, r.mean(), r.percentile(50), r.percentile(90), 100*r.share(staysMultipath))
	}
	for i, target := range lossTargets {
		if p := rows[i].percentile(90); p > target.p90 {
			t.Errorf("%s: p90 is %v, must be at most %v", target.title, p, target.p90)
		}
	}
	for _, miss := range missedMPTCP(rows, keptLeast) {
		t.Error(miss)
	}
	if paused > 0 {
		t.Errorf("the kernel has paused MPTCP in %d of %d networks", paused, jobs)
	}
}

func TestPercentile(t *testing.T) {
	r := &lossRow{}
	for i := range 200 {
		r.races = append(r.races, lossRace{took: time.Duration(200 - i)})
	}
	r.sort()
	for p, want := range map[int]time.Duration{1: 2, 50: 100, 90: 180, 99: 198, 100: 200} {
		if got := r.percentile(p); got != want {
			t.Errorf("p%d is %d, want %d", p, got, want)
		}
	}
	if m := r.mean(); m != 100 {
		t.Errorf("the mean is %d", m)
	}
	if one := (&lossRow{races: []lossRace{{took: 7}}}); one.percentile(50) != 7 || one.percentile(99) != 7 {
		t.Error("one race is every percentile")
	}
}
