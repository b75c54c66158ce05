package stub

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// FuzzSchedule has lookups of one race ask name servers that answer, fail and
// are silent as seed has it. The driver checks that every lookup ends, that none
// is due when it has nothing to do, that each question has one last result, that
// earlier servers had their time before a later one's addresses are used, and
// that all were asked before a lookup fails.
func FuzzSchedule(f *testing.F) {
	for seed := range uint64(2000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		defer func() {
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		}()
		n := randomNetwork(t, r)
		for range 1 + r.IntN(3) {
			at := pick(r, 0, 0, r.IntN(3000))
			types := pick(r, "AAAA A", "AAAA A", "A AAAA", "A", "AAAA", "SRV")
			n.lookUp(ms*time.Duration(at), pick(r, "box", "box.lan", "box.lan.", "a.b.c"), types, r.IntN(4) == 0)
		}
		log := n.run()
		for _, c := range n.lookups {
			if n.conf.NServers == 1 && c.l.NotFound() && c.answered {
				t.Errorf("%s is not found, but its only server had an answer:\n%s", c.name, log)
			}
		}
		if t.Failed() {
			t.Logf("%+v\n%v\n%s", *n.conf, n.servers, log)
		}
	})
}

func randomNetwork(t *testing.T, r *rand.Rand) *network {
	conf := "options"
	for _, option := range []string{"single-request", "no-aaaa", "use-vc", "ndots:2", "ndots:0", "timeout:1", "attempts:1", "no-tld-query"} {
		if r.IntN(5) == 0 {
			conf += " " + option
		}
	}
	conf += pick(r, "\n", "\nsearch a.example\n", "\nsearch a.example b.example\n")
	var servers []script
	for range 1 + r.IntN(3) {
		s := script{"*": randomReplies(r)}
		for _, key := range []string{"A *", "AAAA *", "SRV *", "A box.lan", "AAAA box.lan", "A box", "A box.a.example", "AAAA box.b.example"} {
			if r.IntN(2) == 0 {
				s[key] = randomReplies(r)
			}
		}
		servers = append(servers, s)
	}
	return newNetwork(t, conf, servers...)
}

func randomReplies(r *rand.Rand) string {
	var list []string
	for range 1 + r.IntN(3) {
		list = append(list, randomReply(r))
	}
	s := strings.Join(list, ", ")
	if r.IntN(4) == 0 {
		s += ", " + fmt.Sprintf("%d tc 192.0.2.%d", r.IntN(400), r.IntN(9)) + " > " + randomReply(r) + ", " + randomReply(r)
	}
	return s
}

func randomReply(r *rand.Rand) string {
	what := pick(r, "192.0.2.5", "192.0.2.6", "2001:db8::5", "2001:db8::6", "srv 1 2 22 host.example", "nodata", "nxdomain", "servfail", "refused",
		"formerr", "lame", "closed", "malformed", "wrong-id", "other-name", "tc", "tc 192.0.2.7", "silent", "silent", "silent")
	if what == "silent" {
		return what
	}
	return fmt.Sprintf("%d %s", pick(r, 1, 20, 20, 60, 100, r.IntN(300), r.IntN(1200), r.IntN(12000)), what)
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
